"""People, their roles and quarantines, and the guideline they judge by."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a person may do."""

    ANNOTATOR = "annotator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Annotator:
    """A person, by pseudonym; login and password are stored apart so that erasing them leaves the judgments.

    disabled_at: since when they may not sign in; None if they may.
    """

    id: int
    login: str
    pseudonym: str
    role: Role
    created_at: int
    disabled_at: int | None = None


@dataclass(frozen=True, slots=True)
class Guideline:
    """What annotators judge by (Markdown). translations: the same in other languages, by language tag ("zh")."""

    id: int
    version: str
    body: str
    translations: dict[str, str]
    created_at: int


@dataclass(frozen=True, slots=True)
class Quarantine:
    """From created_at until it is lifted, rounds leave out all judgments of the annotator."""

    id: int
    annotator_id: int
    reason: str
    made_by: int | None
    created_at: int
