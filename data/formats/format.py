"""The interface of a dataset format: how to recognise, read and write its rows."""

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
"""The choices that two ratings, one of each answer, can express."""
ALL = frozenset(SAYABLE)


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its name, the keys by which its rows are recognised, and how to read and write a row.

    read returns what a row says, usually one example; it raises InputError with the reason if it says nothing. write
    returns the rows of a judged pair, in the order of `columns`; it raises InputError with what the format cannot hold.
    shape tells it from formats with the same keys, by the values. choices: those it can express. open: whether its
    consumers accept additional columns. complete: whether it holds all that is known of a judgment. tells_language:
    whether its rows are expected to name their language. reasoning: whether it holds a model's reasoning before an
    answer.
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
        """Return whether a row looks like one of this format; it may still be invalid."""
        return all(key in row for key in self.keys) and self.shape(row)

    def rows(self, pair: JudgedPair) -> Sequence[Mapping[str, object]]:
        """Return the rows of a judged pair, after checking that reading them gives the pair again.

        Raises InputError with the reason when it would not.
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
    """Return a pair that is no tie as two ratings: the chosen answer first, good unless both are bad."""
    good = pair.choice in DECISIVE
    return RatedExample(pair.prompt, pair.chosen, good), RatedExample(pair.prompt, pair.rejected, False)


def _same(pair: JudgedPair, said: Sequence[Example]) -> bool:
    """Return whether the examples read say the same as the pair: the pair itself, or a rating of each answer."""
    if len(said) == 1 and isinstance(said[0], JudgedPair):
        return _meaning(said[0]) == _meaning(pair)
    return tuple(said) == ratings(pair)


def _meaning(pair: JudgedPair) -> tuple[object, ...]:
    """Return what must not be lost of a pair; which side the better answer is on may be."""
    return pair.prompt, pair.chosen, pair.rejected, None if pair.choice in DECISIVE else pair.choice


def _difference(pair: JudgedPair, said: Sequence[Example]) -> str:
    what = "answers" if all(example.prompt == pair.prompt for example in said) else "prompt"
    return f"its {what} would be read as something else"
