"""How much of a round goes through the model at a time, as its directory keeps it for the next try."""

from typing import Self

from pydantic import BaseModel, ConfigDict

LEAST_TOKENS = 256


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
