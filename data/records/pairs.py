"""Pairs of completions, and their leases to the people who judge them."""

from dataclasses import dataclass
from enum import StrEnum

from data.records.completions import Completion
from data.records.prompts import Prompt


class Purpose(StrEnum):
    """What a pair is judged for. Only TRAIN ever trains.

    EVAL: compares the champion with another version. GOLD: the right choice is known. REASK: a pair that the same
    annotator has judged before, with sides swapped.
    """

    TRAIN = "train"
    EVAL = "eval"
    GOLD = "gold"
    REASK = "reask"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two completions of one prompt by one version; evaluation pairs by two versions."""

    id: int
    prompt: Prompt
    a: Completion
    b: Completion
    target_judgments: int
    created_at: int
    purpose: Purpose = Purpose.TRAIN


@dataclass(frozen=True, slots=True)
class Lease:
    """A pair leased to one annotator until a time. swapped: completion b is shown on side A."""

    token: str
    pair: Pair
    annotator_id: int
    swapped: bool
    leased_at: int
    expires_at: int

    @property
    def shown(self) -> tuple[Completion, Completion]:
        """The completions on side A and side B, as the annotator sees them."""
        return (self.pair.b, self.pair.a) if self.swapped else (self.pair.a, self.pair.b)
