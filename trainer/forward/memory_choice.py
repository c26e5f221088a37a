"""Choose how many tokens go through the model at a time: what the settings say, or what memory allows.

Called by the trainer with the measurements of activation_count.py; the server lowers the result when the kernel kills
the trainer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from trainer.forward.activation_count import Activations
from trainer.interface.config import Training
from trainer.interface.memory_use import LEAST_TOKENS, MemoryUse

# Larger passes are no faster on a CPU, which is bound by arithmetic: SmolLM2 does 135 tokens per CPU second with 255 as
# with 3,200 tokens at a time. A GPU is faster with fewer calls.
_MOST_ON_CPU, _MOST_ON_GPU = 2048, 16384
_SHARE = 0.5  # of the free memory; the rest is for the other needs of a step, and for other users of the machine


@dataclass(frozen=True, slots=True)
class MemoryChoice:
    """The chosen memory settings, and notes on them for people."""

    use: MemoryUse
    notes: tuple[str, ...]


def choose(
    training: Training, activations: Activations, *, longest: int, free: int, cpu: bool, last: MemoryUse | None = None
) -> MemoryChoice:
    """Choose what fits into `free` bytes, where the settings leave it open.

    longest: packed tokens of the longest example. last: what an earlier attempt left in the round directory.
    """
    kills = last.kills if last else 0
    tokens = training.token_budget
    if tokens is None:
        fits = activations.tokens(int(_SHARE * free), longest, again=training.gradient_checkpointing is True)
        tokens = max(LEAST_TOKENS, min(fits, _MOST_ON_CPU if cpu else _MOST_ON_GPU))
    if last and kills:
        tokens = min(tokens, last.token_budget)
    use = MemoryUse(token_budget=tokens, recompute_above=_recompute_above(training, activations, tokens), kills=kills)
    return MemoryChoice(use, tuple(_notes(training, use, longest)))


def _recompute_above(training: Training, activations: Activations, budget: int) -> int | None:
    """Return the size above which passes recompute activations; by default, examples that exceed the budget alone."""
    match training.gradient_checkpointing:
        case True:
            return 0
        case None if activations.layered:
            return budget
        case _:
            return None


def _notes(training: Training, use: MemoryUse, longest: int) -> Iterator[str]:
    if use.kills:
        times = "once" if use.kills == 1 else f"{use.kills} times"
        yield f"killed for want of memory {times}: went on with {use.token_budget} tokens at a time"
    if training.gradient_checkpointing is None and use.recomputes(longest):
        yield (
            f"examples longer than {use.token_budget} tokens (the longest has {longest}) are computed twice, to hold "
            "less in memory (gradient_checkpointing)"
        )
