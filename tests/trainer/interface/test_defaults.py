"""Defaults by the model's size: the two that were studied have what was measured, and nothing jumps in between."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.interface.config import DPOConfig, training_config
from trainer.interface.defaults import defaults_of

BUILT_IN, SMOLLM2 = 1_600_000, 134_515_008
ALGORITHMS = ("dpo", "cdpo", "robust", "ipo", "hinge", "simpo", "kto", "ppo")


def dpo(parameters: int) -> DPOConfig:
    found = training_config({}, parameters=parameters)
    assert isinstance(found, DPOConfig)
    return found


def test_the_built_in_model_has_what_its_learning_curves_were_made_with() -> None:
    found = dpo(BUILT_IN)
    assert (found.learning_rate, found.epochs, found.batch_size) == (1e-3, 4, 2)
    assert (found.rank, found.alpha, found.sft_weight) == (8, 24, 0.2)


def test_every_algorithm_has_valid_defaults_at_every_size() -> None:
    for algorithm in ALGORITHMS:
        for parameters in (1, BUILT_IN, SMOLLM2, 8_000_000_000, 10**12):
            assert training_config({"algorithm": algorithm}, parameters=parameters).algorithm == algorithm


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(parameters=st.integers(1_000_000, 10**11))
def test_a_model_that_is_a_tenth_larger_has_nearly_the_same(algorithm: str, parameters: int) -> None:
    here, there = (defaults_of(algorithm, parameters=size) for size in (parameters, parameters + parameters // 10))
    for key, value in here.items():
        larger = there[key]
        if key == "learning_rate":
            assert isinstance(value, float) and isinstance(larger, float)
            assert 0.9 * value <= larger <= value
        elif key == "epochs":
            assert isinstance(value, int) and isinstance(larger, int)
            assert value - 1 <= larger <= value
        elif key != "reward":
            assert larger == value
