"""Files into the store: read to their end before anything is kept, then kept some rows at a time.

Knows nothing of who brought them, nor of tables, and of formats only the names.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from app.bad_rows import BadRows
from data.containers.container import FileLimits, Numbered, Unreadable
from data.containers.registry import by_name as container_named
from data.containers.registry import find, opening
from data.errors import InputError
from data.file_digest import file_sha256
from data.formats.registry import LOOKED_AT, detect
from data.formats.registry import by_name as format_named
from data.imports import Chunk
from data.incoming import judged_rows
from data.judged_pair import JudgedPair
from data.prompts_file import prompt_rows
from data.records import BadRow, Import, ImportFile, ImportKind, Message
from data.store import PreferenceStore

MOST_ROWS = 1_000
_MOST_CHARACTERS = 8_000_000
TEXT = "text"
"""The container of a file that is none of the containers: a prompt a line."""

_SHOWN = 5
_REASONS_SHOWN = 20

Kept = JudgedPair | tuple[Message, ...]
"""What is kept of a row: a judged pair, or a prompt."""

Progress = Callable[[int], None]
"""Told, from time to time, how many rows have been dealt with."""


def unheard(_: int) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True, slots=True)
class Brought:
    """A file somebody brought. name: what it is called where it came from; format: of preferences, None to find out."""

    path: Path
    name: str
    kind: ImportKind
    format: str | None = None


class ReadRow(NamedTuple):
    """A row, or a few together, the last one's number: what there is to keep, or why there is nothing."""

    number: int
    kept: tuple[Kept, ...]
    reason: str | None = None
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Look:
    """What a file holds. unit: what its rows are counted by. bad: the first bad rows; shown: of the first good ones."""

    path: Path
    file: ImportFile
    unit: str
    rows: int
    good: int
    bad: tuple[BadRow, ...]
    shown: tuple[Kept, ...]


def look(
    brought: Brought,
    limits: FileLimits,
    *,
    source: str | None = None,
    license: str | None = None,
    progress: Progress = unheard,
) -> Look:
    """Read a file to its end, and keep nothing of it. source: the file's name if None.

    Raises InputError when it is too large, cannot be read to its end, is of no format that is known, or has no row
    that could be kept: then with the first reason.
    """
    with _called(brought.path, brought.name):
        return _looked(brought.path, _identified(brought, limits, source or brought.name, license), limits, progress)


def _looked(path: Path, file: ImportFile, limits: FileLimits, progress: Progress) -> Look:
    count = good = 0
    bad: list[BadRow] = []
    shown: list[Kept] = []
    unit, rows = _rows(path, file, limits)
    for row in rows:
        count += row.rows
        if count % MOST_ROWS < row.rows:
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


def keep(
    store: PreferenceStore,
    seen: Look,
    limits: FileLimits,
    directory: Path,
    *,
    started_by: int | None = None,
    progress: Progress = unheard,
) -> Import:
    """Keep the rows of a file that was looked at; one that broke off goes on behind the last chunk that was kept.

    directory: of all imports, where bad rows are written; see bad_rows.py. Raises InputError when the file cannot be
    read any more; what was kept stays, and the import says where it broke off.
    """
    begun = store.imports.begin(seen.file, started_by)
    _, rows = _rows(seen.path, seen.file, limits)
    try:
        with BadRows.of(begun, directory, seen.unit) as left_out, _called(seen.path, seen.file.name):
            for chunk in _chunks(row for row in rows if row.number > begun.position):
                left_out.add(_keep_chunk(store, begun, chunk))
                progress(store.imports.by_id(begun.id).counts["rows"])
    except InputError as error:
        store.imports.end(begun.id, reason=str(error))
        raise
    return store.imports.end(begun.id)


@contextmanager
def _called(path: Path, name: str) -> Iterator[None]:
    """Let errors call a file what it is called where it came from, not by the place where it lies here."""
    try:
        yield
    except InputError as error:
        # the name does not say where it lies: one that is sent as upload.jsonl is called so here, too
        if str(path) not in str(error):
            raise
        raise InputError(str(error).replace(str(path), name)) from error


def _identified(brought: Brought, limits: FileLimits, source: str, license: str | None) -> ImportFile:
    """The file with its container, and with its format, found out if it was not said. Raises InputError."""
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


def _rows(path: Path, file: ImportFile, limits: FileLimits) -> tuple[str, Iterator[ReadRow]]:
    """What rows are counted by, and the rows."""
    if file.format is None:
        unit, prompts = prompt_rows(path, limits)
        return unit, (
            ReadRow(number, (), row.reason) if isinstance(row, Unreadable) else ReadRow(number, (tuple(row),))
            for number, row in prompts
        )
    unit, rows = container_named(file.container).read(path, limits)
    judged = judged_rows(format_named(file.format), rows)
    return unit, (ReadRow(row.number, row.pairs, row.reason, row.rows) for row in judged)


def _chunks(rows: Iterator[ReadRow]) -> Iterator[list[ReadRow]]:
    """The rows, some at a time, fewer where they are long."""
    held: list[ReadRow] = []
    size = 0
    for row in rows:
        held.append(row)
        size += sum(map(_length, row.kept))
        if len(held) >= MOST_ROWS or size > _MOST_CHARACTERS:
            yield held
            held, size = [], 0
    if held:
        yield held


def _length(kept: Kept) -> int:
    if isinstance(kept, JudgedPair):
        return len(kept.a) + len(kept.b) + _length(kept.prompt)
    return sum(len(message["content"]) for message in kept)


def _keep_chunk(store: PreferenceStore, begun: Import, rows: list[ReadRow]) -> tuple[BadRow, ...]:
    """Keep some rows; which of them are left out."""
    bad = [BadRow(row.number, row.reason) for row in rows if row.reason is not None]
    chunk = Chunk(rows[-1].number, sum(row.rows for row in rows), bad)
    kept = [(row.number, one) for row in rows for one in row.kept]
    if begun.file.kind is ImportKind.PROMPTS:
        return store.imports.add_prompts(begun, [one for _, one in kept if not isinstance(one, JudgedPair)], chunk)
    return store.imports.add_pairs(begun, [(row, one) for row, one in kept if isinstance(one, JudgedPair)], chunk)
