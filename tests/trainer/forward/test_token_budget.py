"""The token budget, and memory that runs out."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.errors import RoundError
from trainer.forward.token_budget import TokenBudget

ITEMS = list(range(1, 9))
CPU_SAYS = (
    "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
)


def whole(size: int) -> int:
    return size


class Machine:
    """Works on parts up to a size; beyond that its memory runs out."""

    def __init__(self, limit: int, error: type[RuntimeError] = torch.OutOfMemoryError, words: str = "full") -> None:
        self.limit = limit
        self.error = error
        self.words = words
        self.undone = 0

    def work(self, part: list[int]) -> list[int]:
        if sum(part) > self.limit:
            raise self.error(self.words)
        return part

    def undo(self) -> None:
        self.undone += 1


@pytest.mark.parametrize("machine", [Machine(10), Machine(10, RuntimeError, CPU_SAYS)], ids=["on a GPU", "on the CPU"])
def test_it_halves_until_the_parts_fit_and_says_so(machine: Machine) -> None:
    said: list[str] = []
    budget = TokenBudget(36, said.append)
    parts = budget.each(ITEMS, whole, machine.work, again=machine.undo)
    assert sorted(item for part in parts for item in part) == ITEMS
    assert budget.tokens == 9
    assert said == [f"out of memory: going on with {tokens} tokens at a time" for tokens in (18, 9)]
    assert machine.undone == 2


def test_a_single_item_that_does_not_fit_is_an_error_with_the_way_out() -> None:
    with pytest.raises(
        RoundError, match=r"single example; lower max_tokens or set gradient_checkpointing = true in \[training\]"
    ):
        TokenBudget(8, print).each(ITEMS, whole, Machine(3).work)


def test_a_single_item_that_does_not_fit_ends_it_at_once() -> None:
    said: list[str] = []
    with pytest.raises(RoundError, match="single example"):
        TokenBudget(8, said.append).each([8, 2, 2, 2, 1], whole, Machine(7).work)
    assert said == []


def test_what_the_cpu_says_when_memory_runs_out_is_understood() -> None:
    with pytest.raises(RoundError, match="single example"):
        TokenBudget(8, print).each([1], whole, lambda _: torch.empty(1 << 60, dtype=torch.uint8))


@given(st.lists(st.integers(1, 20), max_size=30), st.integers(1, 200), st.integers(20, 200))
def test_whatever_the_limit_no_item_is_lost_or_worked_on_twice(items: list[int], tokens: int, limit: int) -> None:
    done: list[int] = []
    machine = Machine(limit)

    def work(part: list[int]) -> list[int]:
        done.extend(machine.work(part))
        return part

    parts = TokenBudget(tokens, lambda _: None).each(items, whole, work, again=done.clear)
    assert sorted(done) == sorted(item for part in parts for item in part) == sorted(items)


def test_a_budget_that_was_lowered_stays_so() -> None:
    budget = TokenBudget(36, lambda _: None)
    budget.each(ITEMS, whole, Machine(10).work)
    assert len(budget.each(ITEMS, whole, Machine(1000).work)) > 1


def test_another_error_is_not_taken_for_it() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        TokenBudget(8, print).each(ITEMS, whole, Machine(0, RuntimeError, "shapes differ").work)


HOLDING = """
import psutil
from trainer.forward.token_budget import peak_memory_mb
held = psutil.Process().memory_info().rss
print(peak_memory_mb(), held)
"""


def test_the_peak_is_of_this_process_and_not_of_the_one_that_started_it() -> None:
    more = bytearray(2**30)
    for at in range(0, len(more), 4096):  # held, not only asked for
        more[at] = 1
    found = subprocess.run([sys.executable, "-c", HOLDING], capture_output=True, text=True, check=True)
    peak, held = map(float, found.stdout.split())
    assert 0.95 * held / 2**20 <= peak < 1.5 * held / 2**20  # the kernel counts both in batches of pages
