"""Tables of numbers in words, and the cells they are made of. Knows nothing of what was measured.

Titles, heads and names are English words to be read in the reader's language.
"""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

from data.errors import PrefloopError


class Note(TypedDict):
    """English words, which a page says in the reader's language, and values for their {names}."""

    words: str
    values: NotRequired[dict[str, str | int]]


def words_of(error: PrefloopError) -> Note:
    """An error as a note."""
    return Note(words=error.template, values=error.values)


Cell = Note | str
"""Without words, such as a count or a name, it is shown as it is."""

Rows = Sequence[tuple[str, *tuple[Cell, ...]]]
"""The first cell names the row."""

NONE = "–"


class TableWords(TypedDict):
    """A table; a head of empty words is not shown."""

    title: str
    head: Sequence[str]
    rows: Rows


def percent(share: float | None) -> Cell:
    """A share in whole percent."""
    return NONE if share is None else Note(words="{share} %", values={"share": f"{100 * share:.0f}"})


def nats(value: float | None) -> Cell:
    """A change in nats."""
    return NONE if value is None else Note(words="{nats} nats", values={"nats": f"{value:+.2f}"})


def nats_an_answer(value: float) -> Note:
    """A KL divergence of whole answers."""
    return Note(words="{nats} nats an answer", values={"nats": f"{value:z.2f}"})


def tokens(count: str) -> Note:
    """A length."""
    return Note(words="{count} tokens", values={"count": count})


def seconds(seconds: float) -> Note:
    """A time."""
    return Note(words="{seconds} s", values={"seconds": f"{seconds:.0f}"})
