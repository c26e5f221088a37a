"""How a command answers: in words and columns for people, as JSON for programs. Knows none of the commands."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import typer
from rich.cells import cell_len

Found = TypeVar("Found")

_GAP = "  "
_LONGEST = 70


def answer(found: Found, words: str | Callable[[Found], Iterable[str]], *, as_json: bool) -> None:
    """Print what was found, all of it as JSON, or what words say of it, a text or so many lines.

    found: what JSON can hold, or dataclasses and models of that.
    """
    if as_json:
        show_json(found)
        return
    for line in [words] if isinstance(words, str) else words(found):
        typer.echo(_printable(line))


def show_json(found: object) -> None:
    """Print what was found as JSON, for programs."""
    from pydantic_core import to_json

    typer.echo(to_json(found, indent=2).decode())


def columns(rows: Iterable[Sequence[object]], *, head: Sequence[str] = ()) -> Iterator[str]:
    """Rows below each other, each column as wide as it must be; nothing at all without rows."""
    cells = [[one_line(str(cell)) for cell in row] for row in rows]
    if cells and head:
        cells.insert(0, list(head))
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        yield _GAP.join(padded).rstrip()


def one_line(text: str) -> str:
    """Somebody's own text in one line, cut when it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def moment(ms: int | None) -> str:
    """A time in ms since the Unix epoch; a dash for none."""
    return "–" if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def percent(share: float | None) -> str:
    """A share in 0-1; a dash for one that is not known."""
    return "–" if share is None else f"{100 * share:.0f} %"


def _printable(line: str) -> str:
    """Without what a terminal would obey: some of it was written by people and models."""
    return "".join(sign for sign in line if sign in "\n\t" or unicodedata.category(sign) != "Cc")
