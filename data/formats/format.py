"""What a dataset format is to who reads or writes a file of it. Knows none by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from data.errors import InputError
from data.formats.row import FileRow
from data.records import Choice
from data.records.examples import RatedExample
from data.records.judged_pair import SAYABLE, JudgedPair

Example = JudgedPair | RatedExample
DECISIVE = frozenset({Choice.A, Choice.B})
RATABLE = DECISIVE | {Choice.BOTH_BAD}
"""What two ratings, one of each answer, can say."""
ALL = frozenset(SAYABLE)


@dataclass(frozen=True, slots=True)
class Format:
    """A name, the keys by which a row of it is known, and how to read and write one.

    read gives what a row says, mostly one example; it raises InputError with the reason why it says nothing. write
    gives the rows of a judged pair, in the order of `columns`; it raises InputError with what the format cannot hold.
    shape tells it from formats with the same keys, by what is in them. choices: what it can say of a pair. open:
    whether its consumers let other columns stand beside. complete: whether it holds all that is known of a judgment.
    tells_language: whether its rows are expected to say which language they are in. reasoning: whether it holds what a
    model reasoned before an answer.
    """

    name: str
    keys: tuple[str, ...]
    read: Callable[[FileRow], Sequence[Example]]
    write: Callable[[JudgedPair], Sequence[Mapping[str, object]]]
    columns: pa.Schema
    shape: Callable[[FileRow], bool] = lambda row: True
    choices: frozenset[Choice] = DECISIVE
    open: bool = True
    complete: bool = False
    tells_language: bool = False
    reasoning: bool = False

    def matches(self, row: FileRow) -> bool:
        """Whether a row looks like one of this format; it may still be a bad one."""
        return all(key in row for key in self.keys) and self.shape(row)

    def rows(self, pair: JudgedPair) -> Sequence[Mapping[str, object]]:
        """The rows of a judged pair, from which the same is read again.

        Raises InputError with the reason when they would say something else.
        """
        if pair.choice not in self.choices:
            raise InputError(f"{self.name} cannot say {pair.choice}")
        try:
            rows = self.write(pair)
            said = [example for row in rows for example in self.read(row)]
        except InputError as error:
            raise InputError(f"{self.name} cannot hold this pair: {error}") from error
        if not _same(pair, said):
            raise InputError(
                f"{self.name} cannot hold this pair: {_difference(pair, said)}; "
                f"take a format that keeps turns and answers apart"
            )
        return rows


def ratings(pair: JudgedPair) -> tuple[RatedExample, RatedExample]:
    """What a pair that is no tie says of each answer alone: the chosen one first, good unless both are bad."""
    good = pair.choice in DECISIVE
    return RatedExample(pair.prompt, pair.chosen, good), RatedExample(pair.prompt, pair.rejected, False)


def _same(pair: JudgedPair, said: Sequence[Example]) -> bool:
    """Whether what was read says of a pair what it says: itself, or a rating of each answer."""
    if len(said) == 1 and isinstance(said[0], JudgedPair):
        return _meaning(said[0]) == _meaning(pair)
    return tuple(said) == ratings(pair)


def _meaning(pair: JudgedPair) -> tuple[object, ...]:
    """What must not be lost: which side the better answer stands on may be."""
    return pair.prompt, pair.chosen, pair.rejected, None if pair.choice in DECISIVE else pair.choice


def _difference(pair: JudgedPair, said: Sequence[Example]) -> str:
    what = "answers" if all(example.prompt == pair.prompt for example in said) else "prompt"
    return f"its {what} would be read as something else"
