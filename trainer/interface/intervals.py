"""The 95 % confidence interval of a mean, used by evaluation and early stopping."""

import math
from collections.abc import Sequence

from scipy import stats

from data.quality.share import SHOWN_CONFIDENCE
from trainer.interface.manifest import Interval


def interval_of_mean(values: Sequence[float]) -> Interval | None:
    """Return Student's t interval of the mean; None for fewer than two values."""
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    half = float(stats.sem(values) * stats.t.ppf((1 + SHOWN_CONFIDENCE) / 2, len(values) - 1))
    return Interval(low=mean - half, high=mean + half)
