"""What a kind of file is to who reads rows from it or writes them. Knows none by name."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa


class Unreadable(NamedTuple):
    """What stands in the place of a row that is none, and why; the rows after it are not lost."""

    reason: str


Numbered = tuple[int, object]
"""A row's number, from 1, in the file's unit; and the row, or Unreadable."""

Parts = Mapping[str, Iterable[Mapping[str, object]]]
"""Rows by the name of their part, such as "train"; a single file holds them one after the other."""


@dataclass(frozen=True, slots=True)
class FileLimits:
    """How large a file may be: as it lies there, unpacked, and each row of it; bytes."""

    file: int = 4_000_000_000
    unpacked: int = 32_000_000_000
    row: int = 8_000_000


@dataclass(frozen=True, slots=True)
class Container:
    """The name, the ends of the file names, in lower case, and how to read and write one.

    read gives what rows are counted by, such as "line", and the rows with their numbers, in constant memory. It raises
    InputError, at once or on the way, when no row from there on can be read: with the file, the place, the reason and
    the way out. write makes the file whole or not at all, in constant memory; it raises OSError when it cannot be
    written. A container without suffixes is a directory.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, FileLimits], tuple[str, Iterator[Numbered]]]
    write: Callable[[Path, pa.Schema, Parts], None]

    def opens(self, path: Path) -> bool:
        """Whether the path's name, or its kind, says that it is one of these."""
        return path.name.lower().endswith(self.suffixes) if self.suffixes else path.is_dir()
