"""Versions of the model: adapters, decisions about them, and when each served."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Ruling(StrEnum):
    """A decision on a version.

    WAIT: an admin is to decide. TRY: annotators compare it, blind, with the champion. PROMOTE: it becomes the champion.
    REFUSE: it is rejected. ROLL_BACK: it served and turned out worse. RETIRE: it is archived.
    """

    WAIT = "wait"
    TRY = "try"
    PROMOTE = "promote"
    REFUSE = "refuse"
    ROLL_BACK = "roll_back"
    RETIRE = "retire"


class ServingAction(StrEnum):
    """How a version came to serve."""

    INSTALL = "install"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class BaseModel:
    """The model that a store is bound to. license: as found beside the model, in words."""

    name: str
    revision: str
    license: str | None

    @property
    def title(self) -> str:
        """The name for others to read: of a local path only the last part."""
        return Path(self.name).name if Path(self.name).is_absolute() else self.name


@dataclass(frozen=True, slots=True)
class AdapterVersion:
    """An immutable LoRA directory, or the bare base model (sha256 and round_id None).

    prompt_format: the sha256 of the format it was trained in, None if not known.
    """

    id: int
    name: str
    sha256: str | None
    round_id: int | None
    parent: str | None
    created_at: int
    prompt_format: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A ruling on a version. numbers: what it is based on. actor_id: who decided, None for prefloop by its rules."""

    id: int
    version: str
    ruling: Ruling
    reason: str
    numbers: Mapping[str, float | int | str | None]
    actor_id: int | None
    created_at: int


@dataclass(frozen=True, slots=True)
class ServingEvent:
    """A change of the champion: which version began to serve, when, by whom and why."""

    id: int
    version: str
    action: ServingAction
    actor_id: int | None
    reason: str
    created_at: int
