"""How agreement goes over time. Knows nothing of single people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from data.quality.agreement import agreement_interval, krippendorff, percent_agreement
from data.quality.ballot import Ballot, by_item, first_words

MOST_SPANS = 24
FEWEST_ITEMS = 10
"""In a span, if there are as many: one item shall not make a peak."""


@dataclass(frozen=True, slots=True)
class Span:
    """Some shared items in the order they came to be shared. Times in ms since the Unix epoch.

    agreement: the share of agreeing pairs of words, in 0-1, with its 95 % interval from low to high. alpha:
    Krippendorff's, None where only one word was said.
    """

    begun_at: int
    ended_at: int
    items: int
    agreement: float | None
    low: float | None
    high: float | None
    alpha: float | None


def agreement_course(ballots: Iterable[Ballot]) -> tuple[Span, ...]:
    """Spans of equally many items that two or more people judged, MOST_SPANS at most; empty without any."""
    shared = [group for group in by_item(first_words(ballots)).values() if len(group) > 1]
    shared.sort(key=_shared_at)
    count = min(MOST_SPANS, max(1, len(shared) // FEWEST_ITEMS)) if shared else 0
    ends = [len(shared) * number // count for number in range(count + 1)] if count else []
    return tuple(_span(shared[start:end]) for start, end in pairwise(ends))


def _span(groups: Sequence[Sequence[Ballot]]) -> Span:
    units = [[word.winner for word in group] for group in groups]
    low, high = agreement_interval(units) or (None, None)
    return Span(
        begun_at=_shared_at(groups[0]),
        ended_at=_shared_at(groups[-1]),
        items=len(groups),
        agreement=percent_agreement(units),
        low=low,
        high=high,
        alpha=krippendorff(units),
    )


def _shared_at(group: Sequence[Ballot]) -> int:
    """When the second word was said."""
    return group[1].created_at
