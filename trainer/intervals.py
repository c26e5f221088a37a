"""95 % intervals of a mean: exact for few numbers, Student's for many. Knows nothing of what the numbers are."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from data.quality.share import SHOWN_CONFIDENCE
from trainer.manifest import Interval

# Of a version that won 97 of 100, the interval over 7 of its held-out pairs held 0 in half of all draws, over 10 in one
# of eight (SmolLM2, benchmarks/defaults.py): fewer tell too little.
FEWEST = 10
_EXACT = 14  # up to so many, all 2^n subset means are taken


def interval_of_mean(values: Sequence[float]) -> Interval | None:
    """Where the mean is with 95 % confidence; None for fewer than FEWEST values.

    Of few values by subset means: those of all non-empty subsets, in order, cut the line into 2^n parts, in each of
    which the centre of a symmetric distribution lies equally often (Hartigan 1969, JASA 64:1303, theorem 1). It asks
    for no normal distribution and no estimate of a deviation, which few values do not give: ten that are all above
    zero tell, however different they are. Of many values Student's interval, which then comes to the same.
    """
    if len(values) < FEWEST:
        return None
    if len(values) > _EXACT:
        return _student(values)
    means = _subset_means(values)
    out = math.floor((1 - SHOWN_CONFIDENCE) / 2 * (len(means) + 1))
    return Interval(low=float(means[out - 1]), high=float(means[-out]))


def _subset_means(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The means of all non-empty subsets, in order."""
    sums, counts = np.zeros(1), np.zeros(1)
    for value in values:
        sums, counts = np.concatenate([sums, sums + value]), np.concatenate([counts, counts + 1])
    means: np.ndarray[tuple[int], np.dtype[np.float64]] = np.sort(sums[1:] / counts[1:])
    return means


def _student(values: Sequence[float]) -> Interval:
    mean = math.fsum(values) / len(values)
    half = float(stats.sem(values) * stats.t.ppf((1 + SHOWN_CONFIDENCE) / 2, len(values) - 1))
    return Interval(low=mean - half, high=mean + half)
