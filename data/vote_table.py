"""Votes as columns, so that hundreds of thousands take little time and memory. Knows nothing of what they decide."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.records import Choice, Split

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
CHOICES = tuple(Choice)
"""What the codes of choices stand for."""
_CODE = {choice.value: code for code, choice in enumerate(CHOICES)}
A, B, BOTH_BAD = (CHOICES.index(choice) for choice in (Choice.A, Choice.B, Choice.BOTH_BAD))


@dataclass(frozen=True, slots=True)
class Vote:
    """A current judgment, as far as the rule looks at it; choice is in the pair's own a and b.

    barred: why it may not count, whatever it says; None if it may. same_as: a number that pairs with the same prompt
    and the same two answers share; the pair's own id if None.
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
    """Votes, (votes,) each, in the order of pairs and on one of judgments. choice: codes of CHOICES.

    strength: 0 where it is not said. barred: 0 where a vote may count, else 1 more than the place of why in `reasons`.
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
        """Votes as a table."""
        rows = [
            (vote.judgment_id, vote.pair_id, vote.choice, vote.strength, vote.split, vote.same_as, vote.barred)
            for vote in votes
        ]
        return cls.read([rows])

    @classmethod
    def read(cls, chunks: Iterable[Sequence[Sequence[Any]]]) -> "VoteTable":
        """A table of rows, some at a time: judgment, pair, choice, strength, split, same_as, barred."""
        reasons: dict[str | None, int] = {None: 0}
        parts = [_columns(rows, reasons) for rows in chunks if rows]
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else _columns((), reasons)
        order = np.lexsort((columns[0], columns[1]))
        judgment, pair, same_as, choice, strength, heldout, barred = (column[order] for column in columns)
        return cls(judgment, pair, same_as, choice, strength, heldout, barred, tuple(filter(None, reasons)))

    @property
    def counting(self) -> "VoteTable":
        """The votes that are not barred."""
        may = self.barred == 0
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


def starts_of(groups: npt.NDArray[Any]) -> Ints:
    """Where each run of equal values begins, of an array that has them next to each other."""
    if not len(groups):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1]))).astype(np.int64)


def _columns(rows: Sequence[Sequence[Any]], reasons: dict[str | None, int]) -> list[npt.NDArray[Any]]:
    judgment, pair, choice, strength, split, same_as, barred = zip(*rows, strict=True) if rows else ((),) * 7
    return [
        np.array(judgment, np.int64),
        np.array(pair, np.int64),
        np.array([own if same is None else same for same, own in zip(same_as, pair, strict=True)], np.int64),
        np.array([_CODE[one] for one in choice], np.int8),
        np.array([one or 0 for one in strength], np.int8),
        np.array([one == Split.HELDOUT for one in split], np.bool_),
        np.array([reasons.setdefault(one, len(reasons)) for one in barred], np.int8),
    ]
