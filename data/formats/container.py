"""What a kind of file is to who reads rows from it. Knows none by name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Numbered = tuple[int, object]


@dataclass(frozen=True, slots=True)
class Container:
    """The ends of the file names, in lower case, and how to open one.

    rows gives what rows are counted by, such as "line", and the rows with their numbers. It raises InputError, at
    once or on the way, with the file, the place, the reason and the way out.
    """

    suffixes: tuple[str, ...]
    rows: Callable[[Path], tuple[str, Iterator[Numbered]]]

    def opens(self, path: Path) -> bool:
        """Whether the file's name says that it is one of these."""
        return path.name.lower().endswith(self.suffixes)
