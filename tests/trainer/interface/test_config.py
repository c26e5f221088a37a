"""Settings of a training: a type for each algorithm, defaults by the model's size."""

import pytest
from pydantic import ValidationError

from trainer.interface.config import (
    CDPOConfig,
    DPOConfig,
    FromBase,
    FromMerged,
    PPOConfig,
    RoundConfig,
    SummedBeta,
    training_config,
)

BUILT_IN, LARGE = 1_600_000, 135_000_000


def test_dpo_is_meant_where_nothing_is_said() -> None:
    assert isinstance(training_config({}, parameters=LARGE), DPOConfig)


def test_the_algorithm_decides_the_type() -> None:
    found = training_config({"algorithm": "cdpo", "label_smoothing": 0.1}, parameters=LARGE)
    assert isinstance(found, CDPOConfig)
    assert found.label_smoothing == 0.1


def test_what_is_given_holds() -> None:
    small = training_config({"rank": 3}, parameters=BUILT_IN)
    assert (small.rank, small.learning_rate) == (3, 1e-3)


@pytest.mark.parametrize(("tokens", "beta"), [(20, 0.1), (100, 0.1), (400, 0.025), (1000, 0.01)])
@pytest.mark.parametrize("algorithm", ["dpo", "cdpo", "robust", "hinge", "kto"])
def test_beta_falls_with_the_length_of_long_completions(algorithm: str, tokens: float, beta: float) -> None:
    found = training_config({"algorithm": algorithm}, parameters=LARGE)
    assert isinstance(found, SummedBeta)
    assert found.summed_beta == 0.1
    assert found.for_length(tokens).summed_beta == pytest.approx(beta)


def test_a_beta_that_is_given_holds_for_any_length() -> None:
    found = training_config({"beta": 0.3}, parameters=LARGE)
    assert isinstance(found, DPOConfig)
    assert found.for_length(1000).summed_beta == 0.3


def test_where_epochs_are_given_they_alone_say_how_long() -> None:
    assert (training_config({}, parameters=LARGE).min_steps, training_config({}, parameters=LARGE).heldout_checks) != (
        0,
        0,
    )
    given = training_config({"epochs": 5}, parameters=LARGE)
    assert (given.epochs, given.min_steps, given.heldout_checks) == (5, 0, 0)
    both = training_config({"epochs": 5, "min_steps": 30, "heldout_checks": 2}, parameters=LARGE)
    assert (both.epochs, both.min_steps, both.heldout_checks) == (5, 30, 2)


def test_a_section_that_is_given_keeps_the_defaults_for_the_rest() -> None:
    given = {"algorithm": "ppo", "reward": {"epochs": 9}}
    small, large = (training_config(given, parameters=size) for size in (1, LARGE))
    assert isinstance(small, PPOConfig) and isinstance(large, PPOConfig)
    assert (small.reward.epochs, small.reward.learning_rate) == (9, 1e-3)
    assert (large.reward.epochs, large.reward.min_steps) == (9, 0)
    assert large.reward.learning_rate < small.reward.learning_rate


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
