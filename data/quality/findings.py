"""What stands out in an annotator's judgments: hints for an admin, which change nothing by themselves.

A finding requires that the whole 99 % interval lies beyond a bound, so few judgments give none, and a small deviation
gives none however many judgments show it. Careful annotators agree on 63-81 % of such pairs; so, where people may
honestly differ, the bound comes from the other annotators. Gold and reading speed have fixed bounds.

In simulated crowds (tests/data/quality/test_findings.py) judging the same 60 pairs, about 1 in 700 careful people has
any finding where people agree on 78 or 70 %, and 1 in 70 where they agree on 63 %. Looking every day means many tests:
a finding that comes and goes is chance.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log
from statistics import median
from typing import Protocol

from data.quality.annotator import AnnotatorQuality
from data.quality.share import pooled

CONFIDENCE = 0.99
COIN = 0.5
FEWEST_SHARED = 20
"""Votes on items with gold or others' votes, below which reliability gives no finding."""

SIDE_BOUND = 0.6
LENGTH_BOUND = 0.75
UNDECIDED_BOUND = 0.5
GOLD_BOUND = 0.7
"""What crowdsourcing platforms commonly require on test questions. Gold items should be clear."""

FAST_BOUND = 0.5
"""Many pairs can be judged before reading to the end: an empty answer, gibberish, a plain mistake in the first line."""

MIRROR_MARGIN = log(9)
"""Log odds of 9 to 1 that it is this annotator, not everybody else, who votes the wrong way round."""


class FindingKind(StrEnum):
    """What stands out.

    ONE_SIDE: mostly the left or mostly the right answer wins. BY_LENGTH: mostly the longer or mostly the shorter.
    UNDECIDED: mostly neither. CHANCE: votes are at chance level, where others' are not. AGAINST_OTHERS: mostly the
    worse answer wins. INCONSISTENT: re-asks get different answers. MISSES_GOLD: expected choices are missed. TOO_FAST:
    answers cannot have been read.
    """

    ONE_SIDE = "one_side"
    BY_LENGTH = "by_length"
    UNDECIDED = "undecided"
    CHANCE = "chance"
    AGAINST_OTHERS = "against_others"
    INCONSISTENT = "inconsistent"
    MISSES_GOLD = "misses_gold"
    TOO_FAST = "too_fast"


@dataclass(frozen=True, slots=True)
class Finding:
    """What stands out and the numbers behind it: a value, its 99 % interval and the bound it is beyond, in 0-1.

    of: the number of judgments it is computed from.
    """

    annotator_id: int
    kind: FindingKind
    value: float
    low: float
    high: float
    bound: float
    of: int


class _Measured(Protocol):
    @property
    def value(self) -> float: ...
    @property
    def of(self) -> int: ...
    def interval(self, confidence: float) -> tuple[float, float]: ...


def findings(own: AnnotatorQuality, others: Sequence[AnnotatorQuality]) -> Iterator[Finding]:
    """Yield what stands out in one annotator's judgments, compared with all others."""
    candidates = (
        (FindingKind.ONE_SIDE, own.left, 1 - SIDE_BOUND, SIDE_BOUND),
        (FindingKind.BY_LENGTH, own.longer, *_length_bounds(others)),
        (FindingKind.UNDECIDED, own.undecided, None, _undecided_bound(others)),
        (FindingKind.INCONSISTENT, own.repeats, _repeats_bound(others), None),
        (FindingKind.MISSES_GOLD, own.gold, GOLD_BOUND, None),
        (FindingKind.TOO_FAST, own.too_fast, None, FAST_BOUND),
    )
    for kind, measured, least, most in candidates:
        if measured is not None:
            yield from _beyond(own.annotator_id, kind, measured, least, most)
    yield from _unreliable(own, others)


def _beyond(
    annotator_id: int, kind: FindingKind, measured: _Measured, least: float | None, most: float | None
) -> Iterator[Finding]:
    """Yield a finding if the interval lies wholly below least or wholly above most."""
    low, high = measured.interval(CONFIDENCE)
    for bound, beyond in ((least, least is not None and high < least), (most, most is not None and low > most)):
        if bound is not None and beyond:
            yield Finding(annotator_id, kind, measured.value, low, high, bound, measured.of)


def _unreliable(own: AnnotatorQuality, others: Sequence[AnnotatorQuality]) -> Iterator[Finding]:
    if own.reliability is None or own.reliability.of < FEWEST_SHARED:
        return
    low, high = own.reliability.interval(CONFIDENCE)
    if high < COIN and own.margin > MIRROR_MARGIN:
        yield from _beyond(own.annotator_id, FindingKind.AGAINST_OTHERS, own.reliability, COIN, None)
    elif low <= COIN <= high:
        yield from _beyond(own.annotator_id, FindingKind.CHANCE, own.reliability, _common_reliability(others), None)


def _common_reliability(others: Sequence[AnnotatorQuality]) -> float | None:
    """Return the median lower quartile of the annotators surely better than chance; None without any.

    Being surely better takes some luck, too: their means would be too high a bound for a careful annotator.
    """
    measured = [other.reliability for other in others if other.reliability is not None]
    better = [one.interval(0.5)[0] for one in measured if one.interval(CONFIDENCE)[0] > COIN]
    return median(better) if better else None


def _length_bounds(others: Sequence[AnnotatorQuality]) -> tuple[float, float]:
    """Return the bounds of the share of longer winners without a finding; longer answers may well be better."""
    usual = pooled(other.longer for other in others)
    low, high = usual.interval(CONFIDENCE) if usual else (COIN, COIN)
    return min(1 - LENGTH_BOUND, low), max(LENGTH_BOUND, high)


def _undecided_bound(others: Sequence[AnnotatorQuality]) -> float:
    usual = pooled(other.undecided for other in others)
    return max(UNDECIDED_BOUND, usual.interval(CONFIDENCE)[1]) if usual else UNDECIDED_BOUND


def _repeats_bound(others: Sequence[AnnotatorQuality]) -> float:
    usual = pooled(other.repeats for other in others)
    return max(COIN, usual.interval(CONFIDENCE)[0]) if usual else COIN
