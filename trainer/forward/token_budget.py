"""The token budget of a pass through the model, and how it shrinks when memory runs out."""

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
    """Tokens per pass; halved when memory runs out, never raised again. say: receives a message for people then."""

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
        """Apply work to items in parts within the budget; size gives an item's tokens.

        When memory runs out, `again` resets partial results and all parts are computed again with a smaller budget.
        Raises RoundError when a single item does not fit.
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
            again()  # outside the handler, since the traceback keeps the tensors alive

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
    """Return the peak memory so far in MiB: allocated on the GPU if there is one, else held by this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    if sys.platform == "linux":  # where ru_maxrss starts at the memory of the parent process
        [peak] = [line.split()[1] for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(peak) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or _NO_CPU_MEMORY in str(error)
