"""Whether a person stands by a word, knows the known, and takes the time to read. Knows nothing of others' words."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from data.quality.ballot import SAYS_NOTHING, Ballot, first_words
from data.quality.reading import READING_SPEED, SKIMMING
from data.quality.share import Share, share

SKIMMING_SPEED = SKIMMING * READING_SPEED
"""Characters a second, above which two answers were not read to their ends, not even roughly."""

_MAD_TO_DEVIATION = 1.4826
"""Of a normal distribution. P. Rousseeuw, C. Croux, "Alternatives to the median absolute deviation", JASA 88 (1993)."""


def repeats(ballots: Iterable[Ballot]) -> Share | None:
    """How often the same person says the same of an item when asked again; skips count for nothing."""
    said = [ballot for ballot in ballots if ballot.choice not in SAYS_NOTHING]
    firsts = {(first.annotator_id, first.item_id): first for first in first_words(said)}
    pairs = [(firsts[ballot.annotator_id, ballot.item_id], ballot) for ballot in said]
    return share(first.winner is again.winner for first, again in pairs if first is not again)


def gold_accuracy(ballots: Iterable[Ballot]) -> Share | None:
    """How often the known choice is made where there is one. A tie is a miss, a skip is not counted."""
    return share(
        ballot.choice is ballot.gold
        for ballot in ballots
        if ballot.gold is not None and ballot.choice not in SAYS_NOTHING
    )


def too_fast(ballots: Iterable[Ballot]) -> Share | None:
    """How often both answers were passed faster than anyone skims; the prompt is not counted as read."""
    return share(_too_fast(ballot) for ballot in ballots if ballot.choice not in SAYS_NOTHING)


def median_seconds(ballots: Iterable[Ballot]) -> float | None:
    """The median time of a judgment, in seconds."""
    times = [ballot.elapsed_ms / 1000 for ballot in ballots if ballot.elapsed_ms is not None]
    return median(times) if times else None


def paces(people: Mapping[int, Sequence[Ballot]]) -> dict[int, float]:
    """How each person's median log time stands against all judgments, by annotator id; below 0 is faster.

    In robust deviations of a single judgment's log time: distance to the median of all, over 1.4826 MAD of all. Empty
    if all take equally long.
    """
    times = {annotator_id: _log_times(ballots) for annotator_id, ballots in people.items()}
    everybody = [time for own in times.values() for time in own]
    if not everybody:
        return {}
    middle = median(everybody)
    spread = _MAD_TO_DEVIATION * median(abs(time - middle) for time in everybody)
    return {number: (median(own) - middle) / spread for number, own in times.items() if own and spread > 0}


def _log_times(ballots: Iterable[Ballot]) -> list[float]:
    return [math.log(max(1, ballot.elapsed_ms)) for ballot in ballots if ballot.elapsed_ms is not None]


def _too_fast(ballot: Ballot) -> bool | None:
    if ballot.elapsed_ms is None:
        return None
    return ballot.length_a + ballot.length_b > SKIMMING_SPEED * ballot.elapsed_ms / 1000
