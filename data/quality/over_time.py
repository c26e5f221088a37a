"""Agreement of all annotators over time."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data.quality.agreement import agreement_interval, krippendorff, percent_agreement
from data.quality.vote import QualityVote
from data.quality.vote_table import A, B, FirstVotes, by_item, words_of
from data.support.arrays import Counts

MOST_SPANS = 24
Times = npt.NDArray[np.int64]
FEWEST_ITEMS = 10
"""The items per span, at least, if there are as many: a single item must not make a peak."""


@dataclass(frozen=True, slots=True)
class Span:
    """Some shared items, in the order of their second votes. Times in ms since the Unix epoch.

    agreement: the share of agreeing pairs of votes, in 0-1, with its 95 % interval from low to high. alpha:
    Krippendorff's, None where all votes are the same.
    """

    begun_at: int
    ended_at: int
    items: int
    agreement: float | None
    low: float | None
    high: float | None
    alpha: float | None


def agreement_course(quality_votes: Iterable[QualityVote]) -> tuple[Span, ...]:
    """Return spans with equally many items that two or more people judged, at most MOST_SPANS; empty without any."""
    shared = shared_items(words_of(quality_votes))
    order = np.argsort(shared.second_at, kind="stable")
    count = min(MOST_SPANS, max(1, len(order) // FEWEST_ITEMS)) if len(order) else 0
    ends = [len(order) * number // count for number in range(count + 1)] if count else []
    spans = (order[start:end] for start, end in pairwise(ends))
    return tuple(_span(shared.counts[span], shared.second_at[span]) for span in spans)


class SharedItems(NamedTuple):
    """The items that two or more people judged. of: how many were judged at all.

    counts: votes for a, for b and for neither, (shared, 3); second_at: the time of the second vote, (shared,).
    """

    of: int
    counts: Counts
    second_at: Times


def shared_items(words: FirstVotes) -> SharedItems:
    """Collect the items with first votes (in time order) of two or more people; only on these can people agree."""
    items, at = by_item(words.item)
    shared = np.flatnonzero(np.bincount(at, minlength=len(items))[at] > 1)
    choice, created_at = words.choice[shared], words.created_at[shared]
    numbers, at = by_item(words.item[shared])
    label = np.where(choice == A, 0, np.where(choice == B, 1, 2))
    counts = np.bincount(3 * at + label, minlength=3 * len(numbers)).reshape(-1, 3)
    order = np.argsort(at, kind="stable")
    firsts = np.searchsorted(at[order], np.arange(len(numbers)))
    return SharedItems(len(items), counts, created_at[order[firsts + 1]])


def _span(counts: Counts, second_at: Times) -> Span:
    low, high = agreement_interval(counts) or (None, None)
    return Span(
        begun_at=int(second_at[0]),
        ended_at=int(second_at[-1]),
        items=len(counts),
        agreement=percent_agreement(counts),
        low=low,
        high=high,
        alpha=krippendorff(counts),
    )
