"""How many tokens of a round go through the model at a time; kept in the round directory for the next attempt."""

from typing import Self

from pydantic import BaseModel, ConfigDict

LEAST_TOKENS = 256


class MemoryUse(BaseModel):
    """A trainer's memory settings, kept in the round directory for the next attempt.

    recompute_above: passes over more tokens recompute their activations (gradient checkpointing); 0: all do, None:
    none does. kills: how often the kernel killed the trainer for lack of memory; each kill halved the budget.
    """

    model_config = ConfigDict(frozen=True)
    token_budget: int
    recompute_above: int | None
    kills: int = 0

    def recomputes(self, tokens: int) -> bool:
        """Return whether a pass over this many tokens recomputes its activations."""
        return self.recompute_above is not None and tokens > self.recompute_above

    def halved(self) -> Self | None:
        """Return the settings to retry with after a kill; None when the budget is already at its minimum."""
        if self.token_budget <= LEAST_TOKENS:
            return None
        tokens = max(LEAST_TOKENS, self.token_budget // 2)
        return self.model_copy(update={"token_budget": tokens, "kills": self.kills + 1})
