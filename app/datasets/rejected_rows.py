"""The rows that an import left out, as a file of JSON lines beside the store. Knows nothing of why they are bad.

The store keeps those of the last chunk, with the chunk: a program that is killed before they are in the file, or while
they are written, makes up for it when the import goes on.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from data.records import BadRow, Import


def bad_rows_of(directory: Path, import_id: int) -> Path:
    """The file of the rows that an import left out: JSON lines of number and reason. It is not there without any.

    directory: of all imports.
    """
    return directory / f"{import_id:06d}" / "bad-rows.jsonl"


class BadRows:
    """The file, open to be added to. It appears with the first row that is left out."""

    def __init__(self, path: Path, unit: str) -> None:
        self._path = path
        self._unit = unit
        self._file: BinaryIO | None = None

    @classmethod
    def of(cls, begun: Import, directory: Path, unit: str) -> "BadRows":
        """The file of an import, with all rows that it has left out so far. unit: what its rows are counted by."""
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
        """Write down rows; they are on the disk when it returns."""
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
        """Drop the rows from that number on, and a line that was not written to its end."""
        if not self._path.exists():
            return
        with self._path.open("rb+") as file:
            end = 0
            for line in file:
                if not line.endswith(b"\n") or json.loads(line)[self._unit] >= number:
                    break
                end += len(line)
            file.truncate(end)
