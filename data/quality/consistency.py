"""Whether a person stands by a word, knows the known, and takes the time to read. Knows nothing of others' words."""

from collections.abc import Iterable

import numpy as np

from data.barring.reading_speed import READING_SPEED, SKIMMING
from data.quality.share import Share, share_of
from data.quality.vote import QualityVote
from data.quality.vote_table import UNKNOWN, QualityVoteTable, again, in_order, table_of
from data.support.arrays import Ints

SKIMMING_SPEED = SKIMMING * READING_SPEED
"""Characters a second, above which two answers were not read to their ends, not even roughly."""

_MAD_TO_DEVIATION = 1.4826
"""Of a normal distribution. P. Rousseeuw, C. Croux, "Alternatives to the median absolute deviation", JASA 88 (1993)."""


def repeats(ballots: Iterable[QualityVote]) -> Share | None:
    """How often the same person says the same of an item when asked again; skips count for nothing."""
    said = in_order(ballots)
    at, first = again(said)
    return share_of(said.winner[at] == said.winner[first])


def gold_accuracy(ballots: Iterable[QualityVote]) -> Share | None:
    """How often the known choice is made where there is one. A tie is a miss, a skip is not counted."""
    said = in_order(ballots)
    known = said.gold != UNKNOWN
    return share_of(said.choice[known] == said.gold[known])


def too_fast(ballots: Iterable[QualityVote]) -> Share | None:
    """How often both answers were passed faster than anyone skims; the prompt is not counted as read."""
    said = in_order(ballots)
    timed = said.elapsed_ms != UNKNOWN
    characters = (said.length_a + said.length_b)[timed]
    return share_of(characters > SKIMMING_SPEED * said.elapsed_ms[timed] / 1000)


def median_seconds(ballots: Iterable[QualityVote]) -> float | None:
    """The median time of a judgment, in seconds."""
    times = _times(table_of(ballots))
    return float(np.median(times)) / 1000 if len(times) else None


def paces(people: Iterable[tuple[int, Iterable[QualityVote]]]) -> dict[int, float]:
    """How each person's median log time stands against all judgments, by annotator id; below 0 is faster.

    In robust deviations of a single judgment's log time: distance to the median of all, over 1.4826 MAD of all. Empty
    if all take equally long.
    """
    times = {number: np.log(np.maximum(1, _times(table_of(ballots)))) for number, ballots in people}
    everybody = np.concatenate(list(times.values())) if times else np.zeros(0)
    if not len(everybody):
        return {}
    middle = float(np.median(everybody))
    spread = _MAD_TO_DEVIATION * float(np.median(np.abs(everybody - middle)))
    return {number: (float(np.median(own)) - middle) / spread for number, own in times.items() if len(own) and spread}


def _times(table: QualityVoteTable) -> Ints:
    """The times that are known (ms)."""
    return np.asarray(table.elapsed_ms[table.elapsed_ms != UNKNOWN])
