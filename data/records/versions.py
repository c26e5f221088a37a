"""Versions of the model: adapters, decisions about them, and when each served."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Ruling(StrEnum):
    """What was decided on a version.

    WAIT: an admin is to decide. TRY: annotators compare it, blind, with the one that serves. PROMOTE: it takes over.
    REFUSE: it shall not serve. ROLL_BACK: it served and proved worse. RETIRE: it is put away.
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
    """The model that a store is bound to. license: what was found beside it, in words."""

    name: str
    revision: str
    license: str | None

    @property
    def title(self) -> str:
        """The name as others may read it: of a path, the last part alone."""
        return Path(self.name).name if Path(self.name).is_absolute() else self.name


@dataclass(frozen=True, slots=True)
class AdapterVersion:
    """An immutable LoRA directory, or the bare base model (sha256 and round_id None).

    prompt_format: the sha256 of the format that it was trained in, None if that is not known.
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
    """A ruling on a version. numbers: what it rests on. actor_id: who decided, None for prefloop by its rules."""

    id: int
    version: str
    ruling: Ruling
    reason: str
    numbers: Mapping[str, float | int | str | None]
    actor_id: int | None
    created_at: int


@dataclass(frozen=True, slots=True)
class ServingEvent:
    """A move of the champion alias: which version began to serve, when, by whom and why."""

    id: int
    version: str
    action: ServingAction
    actor_id: int | None
    reason: str
    created_at: int
