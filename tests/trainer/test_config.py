"""Settings of a training: a type for each algorithm, defaults by the model's size."""

import pytest
from pydantic import ValidationError

from trainer.config import (
    SMALL_MODEL,
    CDPOConfig,
    DPOConfig,
    FromBase,
    FromMerged,
    PPOConfig,
    RewardConfig,
    RoundConfig,
    training_config,
)

LARGE = SMALL_MODEL


def test_dpo_is_meant_where_nothing_is_said() -> None:
    assert training_config({}, parameters=LARGE) == DPOConfig()


def test_the_algorithm_decides_the_type() -> None:
    found = training_config({"algorithm": "cdpo", "label_smoothing": 0.1}, parameters=LARGE)
    assert isinstance(found, CDPOConfig)
    assert found.label_smoothing == 0.1


def test_a_small_model_has_other_defaults_and_what_is_given_holds() -> None:
    small = training_config({"rank": 3}, parameters=SMALL_MODEL - 1)
    assert (small.rank, small.learning_rate) == (3, 1e-3)


def test_a_section_that_is_given_keeps_the_defaults_for_the_rest() -> None:
    given = {"algorithm": "ppo", "reward": {"epochs": 9}}
    small, large = (training_config(given, parameters=size) for size in (1, LARGE))
    assert isinstance(small, PPOConfig) and isinstance(large, PPOConfig)
    assert (small.reward.epochs, small.reward.learning_rate) == (9, 1e-3)
    assert large.reward == RewardConfig(epochs=9)


@pytest.mark.parametrize(
    "given",
    [
        {"algorithm": "magic"},
        {"label_smoothing": 0.1},
        {"algorithm": "robust", "label_smoothing": 0.5},
        {"beta": 0},
        {"reference": {"kind": "version", "path": "x"}},
        {"algorithm": "ppo", "reward": {"token_budget": 512}},  # the policy's holds for both
        {"algorithm": "ppo", "reward": {"reference": {"kind": "version"}}},
    ],
)
def test_what_an_algorithm_does_not_know_is_an_error(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        training_config(given, parameters=LARGE)


def test_a_reference_is_one_of_three_kinds() -> None:
    merged = training_config({"reference": {"kind": "merged", "name": "round-000002"}}, parameters=LARGE)
    assert merged.reference == FromMerged(kind="merged", name="round-000002")
    assert training_config({}, parameters=LARGE).reference == FromBase()


def test_a_round_config_comes_back_from_its_file() -> None:
    training = training_config({"algorithm": "ppo", "kl_target": 4.0}, parameters=1)
    config = RoundConfig(model="m", revision="r", seed=1, training=training, flip_rate=0.16)
    assert RoundConfig.model_validate_json(config.model_dump_json()) == config
