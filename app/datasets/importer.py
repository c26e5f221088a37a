"""Import files into the store: each is first read completely, then its rows are stored in chunks.

Both times a separate process reads it (app/file_reading/process.py).
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path

from app.datasets.rejected_rows import BadRows
from app.file_reading.look import KeptRow, Look, ReadRow, RowProgress, unheard
from app.file_reading.process import Alive, rows_after
from data.containers.container import FileLimits
from data.errors import InputError
from data.exchange.imports import Chunk
from data.records import BadRow, Import, ImportFile, ImportKind
from data.records.judged_pair import JudgedPair
from data.store import PreferenceStore

MOST_ROWS = 1_000
_MOST_CHARACTERS = 8_000_000

RowsAfter = Callable[[Path, ImportFile, FileLimits, int, Alive], Generator[ReadRow, None, None]]
"""Yields the rows of a file after a given one, as app.file_reading.process.rows_after does."""


def save(
    store: PreferenceStore,
    seen: Look,
    limits: FileLimits,
    directory: Path,
    *,
    started_by: int | None = None,
    progress: RowProgress = unheard,
    rows_after: RowsAfter = rows_after,
) -> Import:
    """Import the rows of an inspected file; an interrupted import continues after its last stored chunk.

    directory: of all imports, where rejected rows are written (rejected_rows.py). progress: called with the number of
    rows processed, also while nothing happens; it may raise to stop. rows_after: yields the rows. Raises InputError
    when the file cannot be read any more; stored rows stay, and the import's record says where it stopped.
    """
    begun = store.imports.begin(seen.file, started_by)
    done = begun.counts.get("rows", 0)
    rows = rows_after(seen.path, seen.file, limits, begun.position, lambda: progress(done))
    try:
        with BadRows.of(begun, directory, seen.unit) as left_out, closing(rows):
            for chunk in _chunks(rows):
                left_out.add(_keep_chunk(store, begun, chunk))
                done = store.imports.by_id(begun.id).counts["rows"]
                progress(done)
    except InputError as error:
        store.imports.end(begun.id, reason=str(error))
        raise
    return store.imports.end(begun.id)


def _chunks(rows: Iterator[ReadRow]) -> Iterator[list[ReadRow]]:
    """Yield the rows in chunks, smaller ones where rows are long."""
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


def _length(kept: KeptRow) -> int:
    if isinstance(kept, JudgedPair):
        return len(kept.a) + len(kept.b) + _length(kept.prompt)
    return sum(len(message["content"]) for message in kept)


def _keep_chunk(store: PreferenceStore, begun: Import, rows: list[ReadRow]) -> tuple[BadRow, ...]:
    """Store a chunk of rows; returns those that were left out."""
    bad = [BadRow(row.number, row.reason) for row in rows if row.reason is not None]
    chunk = Chunk(rows[-1].number, sum(row.rows for row in rows), bad)
    kept = [(row.number, one) for row in rows for one in row.kept]
    if begun.file.kind is ImportKind.PROMPTS:
        return store.imports.add_prompts(begun, [one for _, one in kept if not isinstance(one, JudgedPair)], chunk)
    return store.imports.add_pairs(begun, [(row, one) for row, one in kept if isinstance(one, JudgedPair)], chunk)
