"""What fits into memory, by closed forms."""

import pytest

from trainer.forward.activation_count import Activations
from trainer.forward.memory_choice import MemoryChoice, choose
from trainer.interface.config import DPOConfig
from trainer.interface.memory_use import LEAST_TOKENS, MemoryUse

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
) -> MemoryChoice:
    config = DPOConfig.model_validate(training)
    return choose(config, activations, longest=longest, free=int(free * MIB), cpu=cpu, last=last)


def test_half_of_the_free_memory_is_taken() -> None:
    assert chosen(free=2000).use == MemoryUse(token_budget=1000, recompute_above=1000)


def test_what_attention_keeps_grows_with_the_longest_example() -> None:
    activations = Activations(linear=MIB, square=0.01 * MIB, inputs=0.0, layers=20, passing=100 * MIB)
    assert chosen(free=2200, longest=100, activations=activations).use.token_budget == 500


def test_the_cpu_wants_no_more_than_it_is_quick_with() -> None:
    assert chosen(free=1e6).use.token_budget == 2048
    assert chosen(free=1e6, cpu=False).use.token_budget == 16384


def test_a_budget_that_is_given_holds() -> None:
    assert chosen(free=10, token_budget=8192).use.token_budget == 8192


def test_an_example_that_is_longer_is_computed_twice_and_that_is_said() -> None:
    found = chosen(free=1000, longest=600)
    assert found.use == MemoryUse(token_budget=500, recompute_above=500)
    assert not found.use.recomputes(500) and found.use.recomputes(501)
    [note] = found.notes
    assert "longer than 500 tokens (the longest has 600)" in note and "gradient_checkpointing" in note


def test_if_the_settings_forbid_it_none_is() -> None:
    found = chosen(free=1000, longest=600, gradient_checkpointing=False)
    assert found == MemoryChoice(MemoryUse(token_budget=500, recompute_above=None), ())
    assert not found.use.recomputes(10**9)


def test_if_the_settings_ask_for_it_all_are_and_nothing_is_to_be_said() -> None:
    found = chosen(free=200, gradient_checkpointing=True)
    assert found.use.recomputes(1) and not found.notes
    assert found.use.token_budget == 666  # 0.05 MiB of inputs and a tenth of the rest a token


def test_a_model_whose_layers_are_not_marked_cannot_do_so() -> None:
    plain = Activations(linear=MIB, square=0.0, inputs=0.0, layers=0, passing=0)
    assert not chosen(free=1000, longest=600, activations=plain).use.recomputes(600)


def test_there_is_a_least() -> None:
    assert chosen(free=1).use.token_budget == LEAST_TOKENS


def test_after_a_kill_no_more_is_taken_than_half_of_what_it_was() -> None:
    killed = MemoryUse(token_budget=2048, recompute_above=2048).halved()
    assert killed == MemoryUse(token_budget=1024, recompute_above=2048, kills=1)
    found = chosen(free=1e6, last=killed)
    assert found.use == MemoryUse(token_budget=1024, recompute_above=1024, kills=1)
    assert found.notes == ("killed for want of memory once: went on with 1024 tokens at a time",)


def test_a_budget_that_is_given_is_halved_too() -> None:
    killed = MemoryUse(token_budget=4096, recompute_above=None, kills=1)
    assert chosen(free=1e6, last=killed, token_budget=8192).use.token_budget == 4096


def test_where_half_is_less_than_an_example_that_is_computed_twice() -> None:
    killed = MemoryUse(token_budget=512, recompute_above=1024, kills=2)
    found = chosen(free=1e6, longest=600, last=killed)
    assert found.use == MemoryUse(token_budget=512, recompute_above=512, kills=2)
    assert len(found.notes) == 2


def test_what_an_undisturbed_try_chose_binds_nobody() -> None:
    assert chosen(free=1e6, last=MemoryUse(token_budget=300, recompute_above=0)).use.token_budget == 2048


@pytest.mark.parametrize(("tokens", "then"), [(8192, 4096), (400, LEAST_TOKENS)])
def test_a_kill_halves_down_to_the_least(tokens: int, then: int) -> None:
    halved = MemoryUse(token_budget=tokens, recompute_above=None).halved()
    assert halved is not None and halved.token_budget == then


def test_below_the_least_there_is_nothing_to_go_on_with() -> None:
    assert MemoryUse(token_budget=LEAST_TOKENS, recompute_above=0).halved() is None
