"""Tables of numbers as translatable text, and their cells.

Titles, heads and names are English texts, which the page translates.
"""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

from data.errors import PrefloopError


class Note(TypedDict):
    """An English text for translation, and the values for its {names}."""

    words: str
    values: NotRequired[dict[str, str | int]]


def words_of(error: PrefloopError) -> Note:
    """Convert an error to a note."""
    return Note(words=error.template, values=error.values)


Cell = Note | str
"""A plain string, such as a count or a name, is shown untranslated."""

Rows = Sequence[tuple[str, *tuple[Cell, ...]]]
"""The first cell names the row."""

NONE = "–"


class TableWords(TypedDict):
    """A table; a head of empty texts is not shown."""

    title: str
    head: Sequence[str]
    rows: Rows


def percent(share: float | None) -> Cell:
    """Format a share in whole percent."""
    return NONE if share is None else Note(words="{share} %", values={"share": f"{100 * share:.0f}"})


def nats(value: float | None) -> Cell:
    """Format a change in nats."""
    return NONE if value is None else Note(words="{nats} nats", values={"nats": f"{value:+.2f}"})


def nats_an_answer(value: float) -> Note:
    """Format a KL divergence of whole answers."""
    return Note(words="{nats} nats an answer", values={"nats": f"{value:z.2f}"})


def tokens(count: str) -> Note:
    """Format a length."""
    return Note(words="{count} tokens", values={"count": count})


def seconds(seconds: float) -> Note:
    """Format a duration."""
    return Note(words="{seconds} s", values={"seconds": f"{seconds:.0f}"})
