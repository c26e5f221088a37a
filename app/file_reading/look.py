"""Inspect an uploaded file: read it to its end without storing anything.

This runs in a separate process (process.py), which a malicious file may crash.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from data.containers.container import FileLimits, Numbered, Unreadable
from data.containers.registry import by_name as container_named
from data.containers.registry import find, opening
from data.errors import InputError
from data.exchange.read_pairs import judged_rows
from data.exchange.read_prompts import prompt_rows
from data.formats.registry import LOOKED_AT, detect
from data.formats.registry import by_name as format_named
from data.records import BadRow, ImportFile, ImportKind, Message
from data.records.judged_pair import JudgedPair
from data.support.digests import file_sha256

TEXT = "text"
"""Container name of a file that is in none of the containers: one prompt per line."""

_TOLD_EVERY = 1_000
_SHOWN = 5
_REASONS_SHOWN = 20

KeptRow = JudgedPair | tuple[Message, ...]
"""What is imported from a row: a judged pair, or a prompt."""

RowProgress = Callable[[int], None]
"""Called from time to time with the number of rows processed."""


def unheard(_: int) -> None:
    """Ignore the progress."""


@dataclass(frozen=True, slots=True)
class Brought:
    """An uploaded file. name: its original name; format: of preferences, None to detect it."""

    path: Path
    name: str
    kind: ImportKind
    format: str | None = None


class ReadRow(NamedTuple):
    """A row, or a few together under the last one's number: what to import, or why there is nothing."""

    number: int
    kept: tuple[KeptRow, ...]
    reason: str | None = None
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Look:
    """What a file contains. unit: what its rows are counted in. bad: first rejected rows; shown: first good ones."""

    path: Path
    file: ImportFile
    unit: str
    rows: int
    good: int
    bad: tuple[BadRow, ...]
    shown: tuple[KeptRow, ...]


def look_at(
    brought: Brought,
    limits: FileLimits,
    *,
    source: str | None = None,
    license: str | None = None,
    progress: RowProgress = unheard,
) -> Look:
    """Read a file to its end without storing anything. source: None: the file's name.

    Raises InputError when it is too large, cannot be read to its end, has no known format, or has no row that can be
    imported; in the last case with the first reason.
    """
    with called(brought.path, brought.name):
        return _looked(brought.path, _identified(brought, limits, source or brought.name, license), limits, progress)


def _looked(path: Path, file: ImportFile, limits: FileLimits, progress: RowProgress) -> Look:
    count = good = 0
    bad: list[BadRow] = []
    shown: list[KeptRow] = []
    unit, rows = rows_of(path, file, limits)
    for row in rows:
        count += row.rows
        if count % _TOLD_EVERY < row.rows:
            progress(count)
        if row.reason is None:
            good += row.rows
            shown += row.kept[: _SHOWN - len(shown)]
        elif len(bad) < _REASONS_SHOWN:
            bad.append(BadRow(row.number, row.reason))
    if not good:
        why = f"{unit} {bad[0].number}: {bad[0].reason}" if bad else "there are none"
        read_as = f", read as {file.format}" if file.format else ""
        raise InputError(f"{file.name}{read_as}: none of its {count} rows can be kept; {why}")
    return Look(path, file, unit, count, good, tuple(bad), tuple(shown))


@contextmanager
def called(path: Path, name: str) -> Iterator[None]:
    """Replace the file's temporary path by its original name in errors."""
    try:
        yield
    except InputError as error:
        # replace the whole path only: its last part may occur in the message as the original name
        if str(path) not in str(error):
            raise
        raise InputError(str(error).replace(str(path), name)) from error


def _identified(brought: Brought, limits: FileLimits, source: str, license: str | None) -> ImportFile:
    """Determine the file's container, and its format if not given. Raises InputError."""
    format_, container = brought.format, TEXT
    if brought.kind is ImportKind.PREFERENCES:
        found = opening(brought.path)
        container = found.name
        format_ = format_named(format_).name if format_ else _detected(brought, *found.read(brought.path, limits))
    elif (found_of_prompts := find(brought.path)) is not None:
        container = found_of_prompts.name
    try:
        digest = file_sha256(brought.path)
    except OSError as error:
        raise InputError(f"{brought.name} cannot be read: {error.strerror}") from error
    return ImportFile(brought.kind, brought.name, digest, container, format_, source, license)


def _detected(brought: Brought, unit: str, rows: Iterator[Numbered]) -> str:
    try:
        return detect(islice(rows, LOOKED_AT), unit).name
    except InputError as error:
        raise InputError(f"{brought.name}, {error}") from error


def rows_of(path: Path, file: ImportFile, limits: FileLimits) -> tuple[str, Iterator[ReadRow]]:
    """Return what the rows are counted in, and the rows."""
    if file.format is None:
        unit, prompts = prompt_rows(path, limits)
        return unit, (
            ReadRow(number, (), row.reason) if isinstance(row, Unreadable) else ReadRow(number, (tuple(row),))
            for number, row in prompts
        )
    unit, rows = container_named(file.container).read(path, limits)
    judged = judged_rows(format_named(file.format), rows)
    return unit, (ReadRow(row.number, row.pairs, row.reason, row.rows) for row in judged)
