"""Training rounds, and the frozen preferences they train on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from data.records.completions import Completion
from data.records.pairs import Pair
from data.records.prompts import Prompt

EXCLUDED = "excluded_"
"""Prefix of the count keys that say how many judgments were left out for a reason."""


class RoundState(StrEnum):
    """queued -> training -> swapping -> promoted, waiting or refused; or failed or cancelled on the way.

    PROMOTED: its version took over. WAITING: its version exists and awaits a decision. REFUSED: its version exists, but
    its evaluation speaks against it.
    """

    QUEUED = "queued"
    TRAINING = "training"
    SWAPPING = "swapping"
    WAITING = "waiting"
    PROMOTED = "promoted"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the round is over."""
        return self not in (RoundState.QUEUED, RoundState.TRAINING, RoundState.SWAPPING)

    @property
    def made_version(self) -> bool:
        """Whether the round produced a version."""
        return self in (RoundState.PROMOTED, RoundState.WAITING, RoundState.REFUSED)


@dataclass(frozen=True, slots=True)
class Round:
    """A training round: snapshot, training, swap. flip_rate: as measured when it was frozen.

    cause: what started it, in words. waited: whether it was queued behind another round. rules: the selection rules;
    sha256: of the selection, None for a round of an older prefloop. newest_judgment: the newest one at that time, 0
    without any. rebuilds_id: the round that this one rebuilds, leaving out the judgments of `without`.
    """

    id: int
    state: RoundState
    reason: str | None
    config: dict[str, object]
    counts: dict[str, int]
    started_by: int | None
    created_at: int
    ended_at: int | None
    flip_rate: float | None = None
    cause: str = "by hand"
    rules: Mapping[str, float | bool] = field(default_factory=dict)
    sha256: str | None = None
    newest_judgment: int = 0
    rebuilds_id: int | None = None
    without: "Without | None" = None
    waited: bool = False

    @property
    def excluded(self) -> dict[str, int]:
        """The number of judgments left out, by reason."""
        found = ((key, count) for key, count in self.counts.items() if key.startswith(EXCLUDED))
        return {key.removeprefix(EXCLUDED): count for key, count in found}


@dataclass(frozen=True, slots=True)
class Without:
    """Whose and which prompts' judgments a rebuilt round leaves out: annotators by id, prompts by source."""

    annotators: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outline:
    """A snapshot in numbers: training pairs, held-out pairs, and pairs with two bad answers.

    judgments: used ones; excluded: left out, by reason. flip_rate: as in Snapshot. sha256: of the selection.
    """

    train: int
    heldout: int
    both_bad: int
    judgments: int
    excluded: Mapping[str, int]
    flip_rate: float | None
    sha256: str


@dataclass(frozen=True, slots=True)
class RoundRequest:
    """A round queued until the current one has ended. algorithm: None for the configured one."""

    algorithm: str | None
    asked_by: int | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Preference:
    """A decided pair in a snapshot: the interface between store and trainer.

    chosen and rejected are completions of one prompt; judgment_ids are the rows that decided it;
    strength is the mean strength of the winning votes, in 1-3.
    """

    pair_id: int
    prompt: Prompt
    chosen: Completion
    rejected: Completion
    strength: float
    judgment_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a round trains on and is measured on, and the number of judgments left out, by reason.

    both_bad: pairs of the training split whose answers are both bad. flip_rate: how often a vote is flipped, measured
    on pairs with votes of several people; None if there are too few.
    """

    train: tuple[Preference, ...]
    heldout: tuple[Preference, ...]
    excluded: dict[str, int]
    both_bad: tuple[Pair, ...] = ()
    flip_rate: float | None = None
