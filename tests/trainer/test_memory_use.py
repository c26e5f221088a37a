"""What fits into memory, by closed forms."""

import pytest

from trainer.activations import Activations
from trainer.config import DPOConfig
from trainer.memory_use import LEAST_TOKENS, Choice, MemoryUse, choose

MIB = 2**20
LINEAR = Activations(linear=MIB, square=0.0, inputs=0.05 * MIB, layers=20, passing=0)


def chosen(
    *,
    free: float,
    longest: int = 100,
    cpu: bool = True,
    last: MemoryUse | None = None,
    activations: Activations = LINEAR,
    **training: object,
) -> Choice:
    config = DPOConfig.model_validate(training)
    return choose(config, activations, longest=longest, free=int(free * MIB), cpu=cpu, last=last)


def test_half_of_the_free_memory_is_taken() -> None:
    assert chosen(free=2000).use == MemoryUse(token_budget=1000, gradient_checkpointing=False)


def test_what_attention_keeps_grows_with_the_longest_example() -> None:
    activations = Activations(linear=MIB, square=0.01 * MIB, inputs=0.0, layers=20, passing=100 * MIB)
    assert chosen(free=2200, longest=100, activations=activations).use.token_budget == 500


def test_the_cpu_wants_no_more_than_it_is_quick_with() -> None:
    assert chosen(free=1e6).use.token_budget == 2048
    assert chosen(free=1e6, cpu=False).use.token_budget == 16384


def test_a_budget_that_is_given_holds() -> None:
    assert chosen(free=10, token_budget=8192).use.token_budget == 8192


def test_where_one_example_does_not_fit_activations_are_computed_twice_and_that_is_said() -> None:
    found = chosen(free=1000, longest=600)
    assert found.use.gradient_checkpointing
    assert found.use.token_budget == 2048  # 0.05 MiB of inputs and a tenth of the rest a token
    [note] = found.notes
    assert "600 tokens" in note and "gradient_checkpointing" in note


def test_if_the_settings_forbid_it_they_are_not() -> None:
    found = chosen(free=1000, longest=600, gradient_checkpointing=False)
    assert found == Choice(MemoryUse(token_budget=500, gradient_checkpointing=False), ())


def test_if_the_settings_ask_for_it_they_are_and_nothing_is_to_be_said() -> None:
    found = chosen(free=1e6, gradient_checkpointing=True)
    assert found.use.gradient_checkpointing and not found.notes


def test_a_model_whose_layers_are_not_marked_cannot_do_so() -> None:
    plain = Activations(linear=MIB, square=0.0, inputs=0.0, layers=0, passing=0)
    assert not chosen(free=1000, longest=600, activations=plain).use.gradient_checkpointing


def test_there_is_a_least() -> None:
    assert chosen(free=1).use.token_budget == LEAST_TOKENS


def test_after_a_kill_no_more_is_taken_than_half_of_what_it_was() -> None:
    killed = MemoryUse(token_budget=2048, gradient_checkpointing=False).halved()
    assert killed == MemoryUse(token_budget=1024, gradient_checkpointing=False, kills=1)
    found = chosen(free=1e6, last=killed)
    assert found.use == killed
    assert found.notes == ("killed for want of memory once: went on with 1024 tokens at a time",)


def test_a_budget_that_is_given_is_halved_too() -> None:
    killed = MemoryUse(token_budget=4096, gradient_checkpointing=False, kills=1)
    assert chosen(free=1e6, last=killed, token_budget=8192).use.token_budget == 4096


def test_where_half_is_less_than_one_example_activations_are_computed_twice() -> None:
    killed = MemoryUse(token_budget=512, gradient_checkpointing=False, kills=2)
    found = chosen(free=1e6, longest=600, last=killed)
    assert found.use == MemoryUse(token_budget=512, gradient_checkpointing=True, kills=2)
    assert len(found.notes) == 2


def test_what_an_undisturbed_try_chose_binds_nobody() -> None:
    assert chosen(free=1e6, last=MemoryUse(token_budget=300, gradient_checkpointing=True)).use.token_budget == 2048


@pytest.mark.parametrize(("tokens", "then"), [(8192, 4096), (400, LEAST_TOKENS)])
def test_a_kill_halves_down_to_the_least(tokens: int, then: int) -> None:
    halved = MemoryUse(token_budget=tokens, gradient_checkpointing=False).halved()
    assert halved is not None and halved.token_budget == then


def test_below_the_least_there_is_nothing_to_go_on_with() -> None:
    assert MemoryUse(token_budget=LEAST_TOKENS, gradient_checkpointing=True).halved() is None
