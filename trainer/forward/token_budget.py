"""How many tokens go through the model at a time, and what happens when memory does not hold them.

Knows nothing of models or losses.
"""

import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from data.errors import RoundError
from trainer.forward.packing import micro_batches

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_STATUS = Path("/proc/self/status")
_NO_CPU_MEMORY = "can't allocate memory"  # torch raises a bare RuntimeError on the CPU


class TokenBudget:
    """Tokens of one pass; halved when memory runs out, and never raised again. say gets a line for people then."""

    def __init__(self, tokens: int, say: Callable[[str], None]) -> None:
        self.tokens = tokens
        self._say = say

    def each(
        self,
        items: Sequence[_Item],
        size: Callable[[_Item], int],
        work: Callable[[list[_Item]], _Result],
        *,
        again: Callable[[], None] = lambda: None,
    ) -> list[_Result]:
        """work on items in parts within the budget; size is an item's tokens.

        When memory runs out, `again` undoes what was done so far and all parts are worked on anew, smaller.
        Raises RoundError when a single item is too much.
        """
        while True:
            parts = micro_batches(items, size, budget=self.tokens)
            results: list[_Result] = []
            try:
                for part in parts:
                    results.append(work(part))
                return results
            except RuntimeError as error:  # OutOfMemoryError is one
                if not _out_of_memory(error):
                    raise
                self._halve(error, single=len(parts[len(results)]) == 1)
            again()  # outside the handler, whose traceback holds on to the memory

    def _halve(self, error: RuntimeError, *, single: bool) -> None:
        if single:
            raise RoundError(
                "memory ran out on a single example; lower max_tokens or set gradient_checkpointing = true in "
                f"[training], or train where there is more memory ({error})"
            ) from error
        self.tokens //= 2
        self._say(f"out of memory: going on with {self.tokens} tokens at a time")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def peak_memory_mb() -> float:
    """Most memory held so far, in MiB: allocated on the GPU when there is one, else by this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    if sys.platform == "linux":  # there ru_maxrss begins with what the process that started this one held
        [peak] = [line.split()[1] for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(peak) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or _NO_CPU_MEMORY in str(error)
