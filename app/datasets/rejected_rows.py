"""The rejected rows of an import, as a file of JSON lines beside the store.

The store keeps the rejected rows of the last chunk together with the chunk: if the process is killed before or while
they are written to the file, the resumed import writes them.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from data.records import BadRow, Import


def bad_rows_of(directory: Path, import_id: int) -> Path:
    """Return the file of an import's rejected rows: JSON lines of number and reason. Without any it does not exist.

    directory: of all imports.
    """
    return directory / f"{import_id:06d}" / "bad-rows.jsonl"


class BadRows:
    """The file, opened for appending. It is created with the first rejected row."""

    def __init__(self, path: Path, unit: str) -> None:
        self._path = path
        self._unit = unit
        self._file: BinaryIO | None = None

    @classmethod
    def of(cls, begun: Import, directory: Path, unit: str) -> "BadRows":
        """Open the file of an import with all rows rejected so far. unit: what its rows are counted in."""
        rows = cls(bad_rows_of(directory, begun.id), unit)
        if begun.bad_rows:
            rows._cut_off(begun.bad_rows[0].number)
            rows.add(begun.bad_rows)
        return rows

    def __enter__(self) -> "BadRows":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, rows: Iterable[BadRow]) -> None:
        """Append rows; they are on disk when this returns."""
        lines = [json.dumps({self._unit: row.number, "reason": row.reason}, ensure_ascii=False) for row in rows]
        if not lines:
            return
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
        self._file.write("".join(f"{line}\n" for line in lines).encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def _cut_off(self, number: int) -> None:
        """Remove the rows from this number on, and an incomplete last line."""
        if not self._path.exists():
            return
        with self._path.open("rb+") as file:
            end = 0
            for line in file:
                if not line.endswith(b"\n") or json.loads(line)[self._unit] >= number:
                    break
                end += len(line)
            file.truncate(end)
