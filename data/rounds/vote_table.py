"""Votes as columns, the input of selection and flip rate; hundreds of thousands take little time and memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.db.columns import Column, read_columns
from data.records import Choice, Split
from data.support.arrays import Bools, Indices, Ints

CHOICES = tuple(Choice)
"""The choice that each code stands for."""
_CODE = {choice.value: code for code, choice in enumerate(CHOICES)}
_COLUMNS = (
    Column("i"),
    Column("i"),
    Column("b", _CODE.__getitem__),
    Column("b", lambda strength: strength or 0),
    Column("b", lambda split: split == Split.HELDOUT),
    Column("i", lambda same_as: same_as or 0),
)
A, B, BOTH_BAD = (CHOICES.index(choice) for choice in (Choice.A, Choice.B, Choice.BOTH_BAD))


@dataclass(frozen=True, slots=True)
class Vote:
    """A current judgment, as selection needs it; choice is in the pair's own a and b.

    barred: why it may not count, whatever its choice; None if it may. same_as: a number shared by pairs with the same
    prompt and the same two answers; None: the pair's own id.
    """

    judgment_id: int
    pair_id: int
    choice: Choice
    strength: int | None
    split: Split
    barred: str | None = None
    same_as: int | None = None


@dataclass(frozen=True, slots=True)
class VoteTable:
    """Votes as columns of shape (votes,), sorted by pair and then by judgment. choice: codes of CHOICES.

    strength: 0 where not given. barred: 0 where a vote may count, else 1 plus the index of the reason in `reasons`.
    """

    judgment: Ints
    pair: Ints
    same_as: Ints
    choice: npt.NDArray[np.int8]
    strength: npt.NDArray[np.int8]
    heldout: Bools
    barred: npt.NDArray[np.int8]
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, votes: Iterable[Vote]) -> "VoteTable":
        """Return votes as a table."""
        rows = [
            (vote.judgment_id, vote.pair_id, vote.choice, vote.strength, vote.split, vote.same_as, vote.barred)
            for vote in votes
        ]
        return cls.read([rows])

    @classmethod
    def read(cls, chunks: Iterable[Sequence[Sequence[Any]]]) -> "VoteTable":
        """Read a table from chunks of rows: judgment, pair, choice, strength, split, same_as, barred."""
        reasons: dict[str | None, int] = {None: 0}
        found = read_columns(chunks, [*_COLUMNS, Column("b", lambda why: reasons.setdefault(why, len(reasons)))])
        order = np.lexsort((found[0], found[1]))
        for number, column in enumerate(found):  # one by one, so that memory never holds two of all
            found[number] = column[order]
        judgment, pair, choice, strength, heldout, same_as, barred = found
        alike = np.where(same_as == 0, pair, same_as)
        return cls(judgment, pair, alike, choice, strength, heldout == 1, barred, tuple(filter(None, reasons)))

    @property
    def counting(self) -> "VoteTable":
        """The votes that are not barred."""
        may = self.barred == 0
        if may.all():
            return self
        return VoteTable(
            self.judgment[may],
            self.pair[may],
            self.same_as[may],
            self.choice[may],
            self.strength[may],
            self.heldout[may],
            self.barred[may],
            self.reasons,
        )


def starts_of(groups: npt.NDArray[Any]) -> Indices:
    """Return where each run of equal values begins, in an array where equal values are adjacent."""
    if not len(groups):
        return np.zeros(0, np.intp)
    return np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1])))
