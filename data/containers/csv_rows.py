"""CSV files, UTF-8, with the column names first; gzipped or not."""

import csv
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO

import pyarrow as pa

from data.containers import byte_stream
from data.containers.byte_stream import Opener
from data.containers.container import Container, FileLimits, Numbered, Parts, Unreadable
from data.containers.csv_cells import cell, said
from data.containers.csv_records import records
from data.errors import InputError


def rows(name: Path, opener: Opener, limits: FileLimits) -> tuple[str, Iterator[Numbered]]:
    """Return the rows, counted by the "line" on which each begins; the header's is 1."""
    return "line", _rows(name, opener, limits)


def _read(path: Path, limits: FileLimits) -> tuple[str, Iterator[Numbered]]:
    with byte_stream.opened(path, limits):  # raises at once if it cannot be opened
        return rows(path, partial(byte_stream.opened, path, limits), limits)


def _rows(name: Path, opener: Opener, limits: FileLimits) -> Iterator[Numbered]:
    with opener() as stream:
        header: list[str] | None = None
        for line, cells in records(stream, limits.row):
            if header is None:
                header = _header(f"{name}, line {line}", cells)
            else:
                yield line, cells if isinstance(cells, Unreadable) else _row(header, cells)


def _header(place: str, cells: list[str] | Unreadable) -> list[str]:
    if isinstance(cells, Unreadable):
        raise InputError(f"{place}: {cells.reason}; the names of the columns come first")
    [(twice, times)] = Counter(cells).most_common(1)
    if times > 1:
        raise InputError(f"{place}: two columns are called {twice!r:.80}; give each a name of its own")
    return cells


def _row(header: list[str], cells: list[str]) -> object:
    if len(cells) != len(header):
        return Unreadable(f"cells: {len(cells)}, columns: {len(header)}; put a cell with a comma or line end in quotes")
    return dict(zip(header, map(said, cells), strict=True))


def _write(path: Path, schema: pa.Schema, parts: Parts) -> None:
    """Write the columns of the schema; missing values are empty, and so are empty texts where never null."""
    with byte_stream.replacing_packed(path) as file:
        # quote all cells, as OWASP advises: spreadsheets disagree on what ends an unquoted one
        writer = csv.writer(_Encoding(file), quoting=csv.QUOTE_ALL)
        writer.writerow(schema.names)
        for row in chain.from_iterable(parts.values()):
            writer.writerow([_cell(row.get(column.name), column) for column in schema])


def _cell(value: object, column: pa.Field) -> str:
    return "" if value == "" and not column.nullable else cell(value)


class _Encoding:
    """Writes text into a binary file; unlike TextIOWrapper it does not close it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode())


CSV = Container("csv", (".csv", ".csv.gz"), _read, _write)
