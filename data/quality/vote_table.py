"""Votes as columns, so that hundreds of thousands take little time and memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from data.db.columns import Column, read_columns
from data.quality.vote import SAYS_NOTHING, QualityVote
from data.records import Choice, Purpose
from data.support.arrays import Bools, Codes, Indices, Ints

CHOICES = tuple(Choice)
"""The choice that each code stands for."""
A, B = CHOICES.index(Choice.A), CHOICES.index(Choice.B)
UNKNOWN = -1
"""The code of a missing time, choice or strength."""

_PURPOSES = tuple(Purpose)
_KINDS = (
    np.int64,
    np.int32,
    np.int64,
    np.int8,
    np.int8,
    np.int8,
    np.bool_,
    np.int32,
    np.int32,
    np.int64,
    np.int64,
    np.int8,
)
_CODE: dict[str | None, int] = {choice.value: code for code, choice in enumerate(CHOICES)} | {None: UNKNOWN}
_PURPOSE = {purpose.value: code for code, purpose in enumerate(_PURPOSES)}
_LONGEST_MS = 2**31 - 1
_COLUMNS = (
    Column("i"),
    Column("i"),
    Column("i"),
    Column("b", _PURPOSE.__getitem__),
    Column("b", _CODE.__getitem__),
    Column("b", lambda strength: UNKNOWN if strength is None else strength),
    Column("b"),
    Column("i"),
    Column("i"),
    Column("i", lambda milliseconds: UNKNOWN if milliseconds is None else min(milliseconds, _LONGEST_MS)),
    Column("q"),
    Column("b", _CODE.__getitem__),
)
_SWAPPED = 6
_SAYS_NOTHING = np.array([CHOICES.index(choice) for choice in sorted(SAYS_NOTHING)], np.int8)


@dataclass(frozen=True, slots=True, eq=False)
class QualityVoteTable:
    """Votes as columns of shape (votes,), with the fields of QualityVote. choice and gold are codes of CHOICES."""

    judgment: Ints
    annotator: Ints
    item: Ints
    purpose: Codes
    choice: Codes
    strength: Codes
    swapped: Bools
    length_a: Ints
    length_b: Ints
    elapsed_ms: Ints
    created_at: npt.NDArray[np.int64]
    gold: Codes

    @classmethod
    def read(cls, chunks: Iterable[Sequence[Sequence[Any]]]) -> "QualityVoteTable":
        """Read a table from chunks of rows with columns in the order of the fields; UNKNOWN stands for None."""
        columns = read_columns(chunks, _COLUMNS)
        columns[_SWAPPED] = columns[_SWAPPED].view(np.bool_)
        return cls(*columns)

    def __len__(self) -> int:
        """Return the number of votes."""
        return len(self.judgment)

    def __iter__(self) -> Iterator[QualityVote]:
        """Yield each vote as an object; slow, for small tables."""
        columns = (getattr(self, field.name).tolist() for field in fields(self))
        for judgment, annotator, item, purpose, choice, strength, swapped, a, b, elapsed, at, gold in zip(
            *columns, strict=True
        ):
            yield QualityVote(
                judgment,
                annotator,
                item,
                _PURPOSES[purpose],
                CHOICES[choice],
                None if strength == UNKNOWN else strength,
                swapped,
                a,
                b,
                None if elapsed == UNKNOWN else elapsed,
                at,
                None if gold == UNKNOWN else CHOICES[gold],
            )

    def taken(self, which: npt.NDArray[Any] | slice) -> "QualityVoteTable":
        """Return some of the votes, by a mask, indices or a range."""
        return QualityVoteTable(*(getattr(self, field.name)[which] for field in fields(self)))

    @property
    def decisive(self) -> Bools:
        """Whether each vote names a winner."""
        return np.asarray((self.choice == A) | (self.choice == B))

    @property
    def winner(self) -> Codes:
        """The completion that wins, A or B; UNKNOWN if neither does."""
        return np.where(self.decisive, self.choice, UNKNOWN).astype(np.int8)

    @property
    def left(self) -> Bools:
        """Whether the completion that was shown left wins, where one does."""
        return np.asarray((self.choice == A) != self.swapped)


def table_of(quality_votes: Iterable[QualityVote]) -> QualityVoteTable:
    """Return votes as a table; a table is returned as it is."""
    if isinstance(quality_votes, QualityVoteTable):
        return quality_votes
    rows = [
        (
            one.judgment_id,
            one.annotator_id,
            one.item_id,
            one.purpose,
            one.choice,
            one.strength,
            one.swapped,
            one.length_a,
            one.length_b,
            one.elapsed_ms,
            one.created_at,
            one.gold,
        )
        for one in quality_votes
    ]
    return QualityVoteTable.read([rows])


def in_order(quality_votes: Iterable[QualityVote]) -> QualityVoteTable:
    """Return the votes in time order, without skips."""
    table = table_of(quality_votes)
    return table.taken(_said(table))


@dataclass(frozen=True, slots=True, eq=False)
class FirstVotes:
    """The columns of first votes, in time order, that consensus and agreement use."""

    annotator: Ints
    item: Ints
    choice: Codes
    gold: Codes
    created_at: npt.NDArray[np.int64]


def words_of(quality_votes: Iterable[QualityVote]) -> FirstVotes:
    """Return the first votes (see first_words) with only some columns; a whole table would copy nearly all votes."""
    table = table_of(quality_votes)
    places = _first_words(table)
    return FirstVotes(
        table.annotator[places],
        table.item[places],
        table.choice[places],
        table.gold[places],
        table.created_at[places],
    )


def first_words(quality_votes: Iterable[QualityVote]) -> QualityVoteTable:
    """Return each person's first vote on each item, in time order. A re-ask is no second opinion."""
    table = table_of(quality_votes)
    return table.taken(_first_words(table))


def _first_words(table: QualityVoteTable) -> Indices:
    said = _said(table)
    _, firsts = _first_of(table.item[said], table.annotator[said])
    return said[np.sort(firsts)]


def again(said: QualityVoteTable) -> tuple[Indices, Indices]:
    """Return the indices of repeated votes on an item and of the same person's first one; `said` is in time order."""
    first_of, firsts = _first_of(said.item, said.annotator)
    repeated = np.ones(len(said), np.bool_)
    repeated[firsts] = False
    at = np.flatnonzero(repeated)
    return at, first_of[at]


def by_annotator(quality_votes: Iterable[QualityVote]) -> Iterator[tuple[int, QualityVoteTable]]:
    """Yield the votes of each person, by annotator id."""
    table = table_of(quality_votes)
    order = np.argsort(table.annotator, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(table.annotator[order])) + 1):
        if len(places):
            yield int(table.annotator[places[0]]), table.taken(places)


def by_item(item: Ints) -> tuple[Ints, Indices]:
    """Return the sorted item ids, (items,), and each vote's index into them, (votes,)."""
    items, at = np.unique(item, return_inverse=True)
    return items, at


def _said(table: QualityVoteTable) -> Indices:
    """Return the indices of the votes, in time order, without skips."""
    order = np.lexsort((table.judgment, table.created_at))
    return order[~np.isin(table.choice, _SAYS_NOTHING)[order]]


def _first_of(item: Ints, annotator: Ints) -> tuple[Indices, Indices]:
    """Return for each vote (in time order) the index of the same person's first on the item, and all first indices."""
    order = np.lexsort((annotator, item))  # stable: among equals the earliest vote comes first
    sorted_item, sorted_annotator = item[order], annotator[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (sorted_item[1:] != sorted_item[:-1]) | (sorted_annotator[1:] != sorted_annotator[:-1])
    firsts = order[begins]
    first_of = np.empty(len(order), np.intp)
    first_of[order] = firsts[np.cumsum(begins) - 1] if len(order) else firsts
    return first_of, firsts
