"""How much of a round goes through the model at a time: what the settings say, or what memory allows.

Decided by the trainer, lowered by whoever sees that the kernel killed it. Knows nothing of models: what a token takes
was measured before (activations.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict

from trainer.activations import Activations
from trainer.config import Training

LEAST_TOKENS = 256
# More tokens at a time bring nothing on a CPU, where arithmetic decides: 135 a CPU second with 255 as with 3,200 on
# SmolLM2. A GPU is quicker the fewer calls there are.
_MOST_ON_CPU, _MOST_ON_GPU = 2048, 16384
_SHARE = 0.5  # of the free memory; the rest is for what else a step takes, and for all who use the machine


class MemoryUse(BaseModel):
    """What a trainer takes at a time, as a round directory keeps it for the next try.

    recompute_above: passes over more tokens compute their activations twice (gradient_checkpointing); 0: all do, None:
    none does. kills: how often the kernel has killed it for want of memory, each of which halved the budget.
    """

    model_config = ConfigDict(frozen=True)
    token_budget: int
    recompute_above: int | None
    kills: int = 0

    def recomputes(self, tokens: int) -> bool:
        """Whether a pass over so many tokens computes its activations twice."""
        return self.recompute_above is not None and tokens > self.recompute_above

    def halved(self) -> Self | None:
        """What to go on with after a kill; None when that would be too little."""
        if self.token_budget <= LEAST_TOKENS:
            return None
        tokens = max(LEAST_TOKENS, self.token_budget // 2)
        return self.model_copy(update={"token_budget": tokens, "kills": self.kills + 1})


@dataclass(frozen=True, slots=True)
class Choice:
    """A use of memory, and what people should know of it."""

    use: MemoryUse
    notes: tuple[str, ...]


def choose(
    training: Training, activations: Activations, *, longest: int, free: int, cpu: bool, last: MemoryUse | None = None
) -> Choice:
    """What fits into `free` bytes, where the settings leave it open.

    longest: tokens of the longest example, as packed. last: what an earlier try left in the round directory.
    """
    kills = last.kills if last else 0
    tokens = training.token_budget
    if tokens is None:
        fits = activations.tokens(int(_SHARE * free), longest, again=training.gradient_checkpointing is True)
        tokens = max(LEAST_TOKENS, min(fits, _MOST_ON_CPU if cpu else _MOST_ON_GPU))
    if last and kills:
        tokens = min(tokens, last.token_budget)
    use = MemoryUse(token_budget=tokens, recompute_above=_recompute_above(training, activations, tokens), kills=kills)
    return Choice(use, tuple(_notes(training, use, longest)))


def _recompute_above(training: Training, activations: Activations, budget: int) -> int | None:
    """Left open: an example that is longer than what is to go through the model at a time is computed twice."""
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
