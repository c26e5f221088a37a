"""What the annotation board sends: one act at a time. Knows nothing of what comes of it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from data.annotation.completions import LONGEST_WRITTEN
from data.annotation.validate_judgment import LONGEST_COMMENT, LONGEST_REASON, MOST_REASONS
from data.records import Flag

Pick = Literal["1", "2", "3", "4", "5", "0", "s"]
RowId = Annotated[int, Field(ge=1, lt=2**63)]
WrittenText = Annotated[str, Field(max_length=LONGEST_WRITTEN)]
Reasons = Annotated[tuple[Annotated[str, Field(max_length=LONGEST_REASON)], ...], Field(max_length=MOST_REASONS)]
_LONGEST_COMPARED = 200_000


class _Act(BaseModel):
    """guide: the version of the guidelines that the board shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    guide: Annotated[str, Field(max_length=64)] = ""


class Next(_Act):
    """Give the pair to judge. token: the one that stands there, which the board knows again."""

    do: Literal["next"]
    token: Annotated[str, Field(max_length=128)] = ""


class Judge(_Act):
    """Keep this judgment of the pair that stands there. ms: how long it could be read."""

    do: Literal["judge"]
    token: Annotated[str, Field(min_length=1, max_length=128)]
    pick: Pick
    key: Annotated[str, Field(min_length=8, max_length=64)]
    ms: Annotated[int, Field(ge=0, le=2**53)]
    reasons_a: Reasons = ()
    reasons_b: Reasons = ()
    comment: Annotated[str, Field(max_length=LONGEST_COMMENT)] = ""
    flag: Flag | None = None
    edit: WrittenText | None = None


class Undo(_Act):
    """Take the last judgment back."""

    do: Literal["undo"]


class Change(_Act):
    """Bring back the pair of an earlier judgment."""

    do: Literal["change"]
    judgment: RowId


class Write(_Act):
    """Answer a prompt of the annotator's own."""

    do: Literal["write"]
    text: WrittenText


class Continue(_Act):
    """Go on with the answer that a judgment chose, and this said to it."""

    do: Literal["continue"]
    judgment: RowId
    text: WrittenText


Act = Next | Judge | Undo | Change | Write | Continue
ACT: TypeAdapter[Act] = TypeAdapter(Annotated[Act, Field(discriminator="do")])


class HistoryFrom(BaseModel):
    """Which page of one's own judgments: those before an id, the newest if None."""

    before: RowId | None = None


class DifferenceOf(BaseModel):
    """The two texts to compare."""

    a: Annotated[str, Field(max_length=_LONGEST_COMPARED)]
    b: Annotated[str, Field(max_length=_LONGEST_COMPARED)]
