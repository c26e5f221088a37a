"""The interface of a container, a kind of file that holds rows: how to recognise, read and write it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa


class Unreadable(NamedTuple):
    """Takes the place of a row that cannot be read, with the reason; later rows can still be read."""

    reason: str


Numbered = tuple[int, object]
"""A row's number in the file's unit, from 1, and the row, or Unreadable."""

Parts = Mapping[str, Iterable[Mapping[str, object]]]
"""Rows by the name of their part, such as "train"; a single file holds the parts one after the other."""


@dataclass(frozen=True, slots=True)
class FileLimits:
    """How large a file may be as stored, unpacked, and per row, in bytes."""

    file: int = 4_000_000_000
    unpacked: int = 32_000_000_000
    row: int = 8_000_000


@dataclass(frozen=True, slots=True)
class Container:
    """A container: its name, the suffixes of its file names (lower case), and how to read and write a file.

    read returns what rows are counted by, such as "line", and the rows with their numbers, in constant memory. It
    raises InputError, at once or while iterating, when the rest cannot be read: with the file, the place, the reason
    and what to do. write writes the file atomically and in constant memory; it raises OSError when it cannot be
    written. A container without suffixes is a directory.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, FileLimits], tuple[str, Iterator[Numbered]]]
    write: Callable[[Path, pa.Schema, Parts], None]

    def opens(self, path: Path) -> bool:
        """Return whether a path, by its name or as a directory, is one of these."""
        return path.name.lower().endswith(self.suffixes) if self.suffixes else path.is_dir()
