"""Judgments: what a person said of a pair."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Choice(StrEnum):
    """What a judgment says of a pair. RETRACTED is what an undo appends; nobody picks it."""

    A = "a"
    B = "b"
    TIE = "tie"
    BOTH_BAD = "both_bad"
    SKIP = "skip"
    RETRACTED = "retracted"

    @property
    def decisive(self) -> bool:
        """Whether it names a winner, and so can train."""
        return self in (Choice.A, Choice.B)

    @property
    def mirrored(self) -> "Choice":
        """The same choice when the two sides change places."""
        return {Choice.A: Choice.B, Choice.B: Choice.A}.get(self, self)


class Flag(StrEnum):
    """What an admin should look at: a prompt that makes no sense, somebody to be recognised, somebody to be hurt."""

    BROKEN_PROMPT = "broken_prompt"
    PERSONAL_DATA = "personal_data"
    UNSAFE = "unsafe"

    @property
    def bars(self) -> bool:
        """Whether judgments of the pair stay out of rounds. An unsafe answer is just what a round should learn from."""
        return self in (Flag.BROKEN_PROMPT, Flag.PERSONAL_DATA)


@dataclass(frozen=True, slots=True)
class Remarks:
    """What is said of a pair besides the choice: tags for each side, a comment, a flag."""

    reasons_a: tuple[str, ...] = ()
    reasons_b: tuple[str, ...] = ()
    comment: str = ""
    flag: Flag | None = None

    @property
    def mirrored(self) -> "Remarks":
        """The same remarks when the two sides change places."""
        return replace(self, reasons_a=self.reasons_b, reasons_b=self.reasons_a)


NO_REMARKS = Remarks()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an annotator said, in the sides he saw. strength 1-3 goes with a or b only.

    elapsed_ms: how long both answers could be read, without the time hidden or idle. edit: the better answer as he
    would have it.
    """

    choice: Choice
    strength: int | None = None
    elapsed_ms: int | None = None
    remarks: Remarks = NO_REMARKS
    edit: str | None = None


@dataclass(frozen=True, slots=True)
class Judgment:
    """A stored verdict, in the pair's own a and b; supersedes names the row it replaces.

    guideline_id: the guideline it was given under. follows_id: the judgment whose edit brought this one along, which
    is on the edited answer against the original. edit: the edited answer, if it brought one along.
    """

    id: int
    pair_id: int
    annotator_id: int
    choice: Choice
    strength: int | None
    swapped: bool
    elapsed_ms: int | None
    supersedes_id: int | None
    created_at: int
    remarks: Remarks = NO_REMARKS
    guideline_id: int | None = None
    follows_id: int | None = None
    edit: str | None = None

    @property
    def shown(self) -> Choice:
        """The choice in the sides the annotator saw."""
        return self.choice.mirrored if self.swapped else self.choice


class Expectable(StrEnum):
    """The choice that a known pair expects, in the pair's own a and b."""

    A = "a"
    B = "b"
    TIE = "tie"
    BOTH_BAD = "both_bad"
