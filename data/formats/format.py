"""What a dataset format is to who reads a file of it. Knows none by name."""

from collections.abc import Callable
from dataclasses import dataclass

from data.examples import PairExample, RatedExample
from data.formats.row import Row


@dataclass(frozen=True, slots=True)
class Format:
    """A name, the keys by which a row of it is known, and how to read one.

    read raises InputError with the reason why a row gives no example. shape tells it from formats with the same
    keys, by what is in them.
    """

    name: str
    keys: tuple[str, ...]
    read: Callable[[Row], PairExample | RatedExample]
    shape: Callable[[Row], bool] = lambda row: True

    def matches(self, row: Row) -> bool:
        """Whether a row looks like one of this format; it may still be a bad one."""
        return all(key in row for key in self.keys) and self.shape(row)
