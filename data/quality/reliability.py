"""Estimate how often an annotator votes for the better answer, as a distribution."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.quality.consensus import SUPPOSED_RIGHT, SUPPOSED_WRONG
from data.quality.share import SHOWN_CONFIDENCE

_GRID = np.linspace(0.0025, 0.9975, 200)
_AT_A_TIME = 1_000


@dataclass(frozen=True, slots=True)
class Reliability:
    """The probability that a vote goes to the better answer, as a distribution over an even grid on 0-1.

    weights: (200,), sum 1. of: the number of votes used. One half is chance; below it votes go to the worse answer.
    """

    weights: tuple[float, ...]
    of: int

    @property
    def value(self) -> float:
        """The mean, in 0-1."""
        return float(_GRID @ np.array(self.weights))

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval, in 0-1."""
        return self.interval(SHOWN_CONFIDENCE)[0]

    @property
    def high(self) -> float:
        """The upper end of the 95 % interval, in 0-1."""
        return self.interval(SHOWN_CONFIDENCE)[1]

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the equal-tailed interval."""
        weights = np.array(self.weights)
        below = np.cumsum(weights) - weights / 2
        low, high = np.interp([(1 - confidence) / 2, (1 + confidence) / 2], below, _GRID)
        return float(low), float(high)


def reliability(supports: Iterable[float | None] | npt.NDArray[np.float64]) -> Reliability | None:
    """Estimate reliability from the probability, by gold and the others' votes, that each answer voted for is better.

    A vote for an answer that is better with probability p has likelihood r p + (1 - r)(1 - p) at reliability r, so
    where the others disagree it tells little. The prior is that of the consensus. The others' reliabilities are taken
    as given. None without a vote on an item with gold or others' votes. An array has nan for None.
    """
    given = np.array(list(supports) if not isinstance(supports, np.ndarray) else supports, np.float64)
    told = given[~np.isnan(given)]
    if not len(told):
        return None
    log_posterior = SUPPOSED_RIGHT * np.log(_GRID) + SUPPOSED_WRONG * np.log1p(-_GRID)
    values, counts = np.unique(told, return_counts=True)  # few distinct: they derive from a few reliabilities
    for at in range(0, len(values), _AT_A_TIME):
        some = values[at : at + _AT_A_TIME]
        likelihoods = np.outer(_GRID, some) + np.outer(1 - _GRID, 1 - some)
        log_posterior += np.log(likelihoods) @ counts[at : at + _AT_A_TIME]
    weights = np.exp(log_posterior - log_posterior.max())
    return Reliability(tuple(float(weight) for weight in weights / weights.sum()), len(told))
