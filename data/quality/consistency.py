"""Whether an annotator answers re-asks alike, makes the expected choices on gold, and takes the time to read."""

from collections.abc import Iterable

import numpy as np

from data.barring.reading_speed import READING_SPEED, SKIMMING
from data.quality.share import Share, share_of
from data.quality.vote import QualityVote
from data.quality.vote_table import UNKNOWN, QualityVoteTable, again, in_order, table_of
from data.support.arrays import Ints

SKIMMING_SPEED = SKIMMING * READING_SPEED
"""Characters per second; above it two answers cannot have been read to their ends, not even skimmed."""

_MAD_TO_DEVIATION = 1.4826
"""For normal distributions. P. Rousseeuw, C. Croux, "Alternatives to the median absolute deviation", JASA 88 (1993)."""


def repeats(quality_votes: Iterable[QualityVote]) -> Share | None:
    """Return how often the same person gives the same answer when asked an item again; skips are left out."""
    said = in_order(quality_votes)
    at, first = again(said)
    return share_of(said.winner[at] == said.winner[first])


def gold_accuracy(quality_votes: Iterable[QualityVote]) -> Share | None:
    """Return how often the expected choice is made on gold pairs. Skips do not count; a tie for a winner is wrong."""
    said = in_order(quality_votes)
    known = said.gold != UNKNOWN
    return share_of(said.choice[known] == said.gold[known])


def too_fast(quality_votes: Iterable[QualityVote]) -> Share | None:
    """Return how often both answers were judged faster than anybody skims; the prompt's length is not counted."""
    said = in_order(quality_votes)
    timed = said.elapsed_ms != UNKNOWN
    characters = (said.length_a + said.length_b)[timed]
    return share_of(characters > SKIMMING_SPEED * said.elapsed_ms[timed] / 1000)


def median_seconds(quality_votes: Iterable[QualityVote]) -> float | None:
    """Return the median time of a judgment, in seconds."""
    times = _times(table_of(quality_votes))
    return float(np.median(times)) / 1000 if len(times) else None


def paces(people: Iterable[tuple[int, Iterable[QualityVote]]]) -> dict[int, float]:
    """Return how far each person's median log time lies from everybody's, by annotator id; below 0 is faster.

    In robust deviations of a single judgment's log time: distance to the median of all, over 1.4826 MAD of all. Empty
    if all take equally long.
    """
    times = {number: np.log(np.maximum(1, _times(table_of(quality_votes)))) for number, quality_votes in people}
    everybody = np.concatenate(list(times.values())) if times else np.zeros(0)
    if not len(everybody):
        return {}
    middle = float(np.median(everybody))
    spread = _MAD_TO_DEVIATION * float(np.median(np.abs(everybody - middle)))
    return {number: (float(np.median(own)) - middle) / spread for number, own in times.items() if len(own) and spread}


def _times(table: QualityVoteTable) -> Ints:
    """Return the known times (ms)."""
    return np.asarray(table.elapsed_ms[table.elapsed_ms != UNKNOWN])
