"""Judgments: what an annotator decided on a pair."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Choice(StrEnum):
    """The choice of a judgment. RETRACTED is what an undo appends; nobody can pick it."""

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
        """The same choice with the sides swapped."""
        return {Choice.A: Choice.B, Choice.B: Choice.A}.get(self, self)


class Flag(StrEnum):
    """Something for an admin to review: a prompt that makes no sense, personal data, or unsafe content."""

    BROKEN_PROMPT = "broken_prompt"
    PERSONAL_DATA = "personal_data"
    UNSAFE = "unsafe"

    @property
    def bars(self) -> bool:
        """Whether judgments of the pair stay out of rounds. Unsafe answers do not: a round should learn from them."""
        return self in (Flag.BROKEN_PROMPT, Flag.PERSONAL_DATA)


@dataclass(frozen=True, slots=True)
class Remarks:
    """What a judgment says besides the choice: reasons (tags) for each side, a comment, a flag."""

    reasons_a: tuple[str, ...] = ()
    reasons_b: tuple[str, ...] = ()
    comment: str = ""
    flag: Flag | None = None

    @property
    def mirrored(self) -> "Remarks":
        """The same remarks with the sides swapped."""
        return replace(self, reasons_a=self.reasons_b, reasons_b=self.reasons_a)


NO_REMARKS = Remarks()


@dataclass(frozen=True, slots=True)
class Verdict:
    """An annotator's choice in the sides they saw, before it is stored. strength 1-3 goes with a or b only.

    elapsed_ms: how long both answers could be read, without time hidden or idle. edit: their edited version of the
    better answer.
    """

    choice: Choice
    strength: int | None = None
    elapsed_ms: int | None = None
    remarks: Remarks = NO_REMARKS
    edit: str | None = None


@dataclass(frozen=True, slots=True)
class Judgment:
    """A stored verdict, in the pair's own a and b; supersedes_id: the row it replaces.

    guideline_id: the guideline it was given under. follows_id: set on the judgment that an edit adds (the edited answer
    against the original), the judgment it follows. edit: the edited answer, if this judgment has one.
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
    """The choice expected on a gold pair, in the pair's own a and b."""

    A = "a"
    B = "b"
    TIE = "tie"
    BOTH_BAD = "both_bad"
