"""Reads preferences from a file somebody brings, whatever its format. Knows nothing of where they go.

A container opens files by their names and gives numbered rows; a format knows rows by their keys and turns one into
an example. One more of either is one more name in a tuple below.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from data.containers import registry
from data.containers.container import FileLimits, Unreadable
from data.errors import InputError
from data.examples import PairExample, RatedExample
from data.formats import (
    alpaca_ranking,
    hh_rlhf,
    rated_messages,
    sharegpt_ranking,
    trl,
    trl_implicit,
    trl_unpaired,
)
from data.formats.format import Format
from data.formats.row import Row, kind

_LOOKED_AT = 100
# What a text model cannot be shown; a prompt that leans on it would be another prompt.
_NOT_TEXT = ("images", "videos", "audios", "tools")

# The first that matches reads the file, so those that ask for more come first.
FORMATS = (
    sharegpt_ranking.FORMAT,
    alpaca_ranking.FORMAT,
    trl_implicit.FORMAT,
    trl.FORMAT,
    hh_rlhf.FORMAT,
    trl_unpaired.FORMAT,
    rated_messages.FORMAT,
)


class Skipped(NamedTuple):
    """A row that gave no example, by its number in the file's unit, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class PreferenceFile:
    """What a file gave. unit is what its rows are counted by: "line" or "entry"."""

    format: str
    unit: str
    pairs: list[PairExample] = field(default_factory=list)
    rated: list[RatedExample] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def read_preferences(path: Path) -> PreferenceFile:
    """All examples of a file. One bad row is skipped and named; a bad file raises InputError.

    The format is that of the first row, among the first 100, which matches one; it then holds for the whole file.
    """
    unit, rows = registry.opening(path).read(path, FileLimits())
    head = list(islice(rows, _LOOKED_AT))
    format_ = _format(path, unit, head)
    file = PreferenceFile(format_.name, unit)
    for number, row in chain(head, rows):
        try:
            example = format_.read(_checked(row))
        except InputError as error:
            file.skipped.append(Skipped(number, str(error)))
        else:
            if isinstance(example, PairExample):
                file.pairs.append(example)
            else:
                file.rated.append(example)
    if not file.pairs and not file.rated:
        number, reason = file.skipped[0]
        raise InputError(
            f"{path}: read as {file.format}, none of its {len(file.skipped)} rows can train; "
            f"{unit} {number}: {reason}; mend the rows or give another file"
        )
    return file


def _format(path: Path, unit: str, head: Iterable[tuple[int, object]]) -> Format:
    first = None
    for number, row in head:
        first = first or (number, row)
        if not isinstance(row, Mapping):
            continue
        for format_ in FORMATS:
            if format_.matches(row):
                return format_
    if first is None:
        raise InputError(f"{path} holds no row; put a JSON object on each line")
    known = "; ".join(f"{format_.name}: {', '.join(format_.keys)}" for format_ in FORMATS)
    raise InputError(
        f"{path}, {unit} {first[0]}: no format that is known; found {_found(first[1])}. "
        f"Rename the keys to those of one: {known}"
    )


def _found(row: object) -> str:
    if isinstance(row, Unreadable):
        return f"what cannot be read: {row.reason}"
    if not isinstance(row, Mapping):
        return f"{kind(row)} where an object should be"
    return ", ".join(f"{key} ({kind(value)})" for key, value in row.items()) or "an object without a key"


def _checked(row: object) -> Row:
    if isinstance(row, Unreadable):
        raise InputError(row.reason)
    if not isinstance(row, Mapping):
        raise InputError(f"{kind(row)}, not an object")
    for key in _NOT_TEXT:
        if row.get(key):
            raise InputError(f"it has {key}, and only text can be read")
    return row
