"""Training rounds, and the frozen preferences they train on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from data.records.completions import Completion
from data.records.pairs import Pair
from data.records.prompts import Prompt

EXCLUDED = "excluded_"
"""Before a reason, the key of a count: so many judgments were left out for it."""


class RoundState(StrEnum):
    """queued -> training -> swapping -> promoted, waiting or refused; on the way there also failed or cancelled.

    PROMOTED: its version took over. WAITING: its version is there, and what becomes of it is decided later. REFUSED:
    its version is there, and its evaluation speaks against it.
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
        """Whether there is a version that came of it."""
        return self in (RoundState.PROMOTED, RoundState.WAITING, RoundState.REFUSED)


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of the loop: snapshot, training, swap. flip_rate is as measured when it was frozen.

    cause: what began it, in words. waited: whether another ran when it was asked for. rules: those its pairs were
    selected by; sha256: of what was selected, None for a round of an older prefloop. newest_judgment: the newest there
    was then, 0 without any. rebuilds_id: the round whose judgments it took, but those of `without`.
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
        """The judgments that it left out, by reason."""
        found = ((key, count) for key, count in self.counts.items() if key.startswith(EXCLUDED))
        return {key.removeprefix(EXCLUDED): count for key, count in found}


@dataclass(frozen=True, slots=True)
class Without:
    """Whose judgments, and which prompts', a rebuilt round leaves out: annotators by id, prompts by their source."""

    annotators: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outline:
    """A snapshot in numbers: pairs that train, that are held out, and whose answers are both bad.

    judgments: used ones; excluded: left out, by reason. flip_rate: as Snapshot has it. sha256: of what was selected.
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
    """A round that waits until the one under way has ended. algorithm: None for the configured one."""

    algorithm: str | None
    asked_by: int | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Preference:
    """A decided pair as a snapshot holds it: the interface between store and trainer.

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
    """What a round trains and is held to, and what was left out by reason.

    both_bad: pairs of the training split whose answers were both found bad. flip_rate: how often a judgment is
    flipped, as measured on pairs that several people judged; None when those were too few.
    """

    train: tuple[Preference, ...]
    heldout: tuple[Preference, ...]
    excluded: dict[str, int]
    both_bad: tuple[Pair, ...] = ()
    flip_rate: float | None = None
