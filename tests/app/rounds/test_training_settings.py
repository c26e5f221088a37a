import pytest
from pydantic import ValidationError

from app.rounds.algorithms import Algorithm
from app.rounds.training_settings import SHARED, TrainingSettings, training_of
from data.errors import InputError
from trainer.interface.config import FromMerged, SimPOConfig, Training, training_config

SMALL, LARGE = 1_600_000, 135_000_000


@pytest.mark.parametrize("algorithm", Algorithm)
def test_every_algorithm_is_one_of_the_trainer_s_and_has_a_label(algorithm: Algorithm) -> None:
    assert training_config({"algorithm": algorithm.value}, parameters=SMALL).algorithm == algorithm
    assert algorithm.label


def test_the_trainer_has_no_algorithm_besides() -> None:
    with pytest.raises(ValidationError) as refusal:
        training_config({"algorithm": "?"}, parameters=SMALL)
    assert refusal.value.errors()[0]["ctx"]["expected_tags"] == ", ".join(f"'{algorithm}'" for algorithm in Algorithm)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("algorithm", Algorithm)
def test_without_settings_a_round_gets_the_defaults_for_algorithm_and_size(algorithm: Algorithm, size: int) -> None:
    plain = training_config({"algorithm": algorithm.value}, parameters=size)
    assert TrainingSettings({}, size).of(algorithm) == plain
    assert TrainingSettings({"algorithm": algorithm.value}, size).of() == plain


def test_the_configured_algorithm_gets_all_settings_by_name_or_not() -> None:
    given = {"algorithm": "simpo", "beta": 2.5, "learning_rate": 1e-6}
    trainings = TrainingSettings(given, LARGE)
    found = trainings.of()
    assert isinstance(found, SimPOConfig)
    assert found == trainings.of(Algorithm.SIMPO) == training_config(given, parameters=LARGE)
    assert (found.beta, found.learning_rate) == (2.5, 1e-6)


def test_another_algorithm_gets_what_is_about_machine_and_reference_only() -> None:
    given = {
        "beta": 0.5,
        "learning_rate": 1e-6,
        "epochs": 9,
        "rank": 3,
        "token_budget": 512,
        "reference": {"kind": "merged"},
    }
    plain = training_config({"algorithm": "ppo"}, parameters=LARGE)
    kept = {"rank": 3, "token_budget": 512, "reference": FromMerged(kind="merged")}
    assert TrainingSettings(given, LARGE).of(Algorithm.PPO) == plain.model_copy(update=kept)


def test_what_is_shared_is_known_to_every_algorithm() -> None:
    assert set(SHARED) < set(Training.model_fields)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"bta": 1}, "unknown key training.bta; known keys of dpo are learning_rate"),
        ({"gamma": 1.0}, "unknown key training.gamma"),
        ({"algorithm": "simpo", "rollouts": 1}, "known keys of simpo are .*gamma"),
        ({"algorithm": "sgd"}, "training.algorithm: there is no 'sgd'; choose one of dpo, cdpo,"),
        ({"algorithm": 3}, "training.algorithm: there is no 3"),
        ({"algorithm": "cdpo", "label_smoothing": 0.5}, "training.label_smoothing: Input should be less than 0.5"),
        ({"algorithm": "ppo", "reward": {"beta": 1}}, "unknown key training.reward.beta; known keys of reward are"),
        ({"reference": {"kind": "base", "name": "x"}}, "unknown key training.reference.name"),
        ({"reference": {"kind": "x"}}, "training.reference: .*'base', 'version', 'merged'"),
        ({"algorithm": "ppo", "rollouts": 3}, "^training: rollouts must be a multiple of samples_per_prompt"),
        ({"epochs": 0, "rank": "many"}, "training.epochs: .*; training.rank: "),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, object], words: str) -> None:
    for size in (SMALL, LARGE):
        with pytest.raises(InputError, match=words):
            training_of(given, parameters=size)
