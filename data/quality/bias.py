"""How far choices depend on the side and the length of an answer."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy  # its parts come when they are used: most commands must not wait for them

from data.quality.share import Share, share_of
from data.quality.vote import QualityVote
from data.quality.vote_table import A, table_of
from data.support.arrays import Floats

PRIOR_DEVIATION = 2.5
"""The prior's standard deviation for both coefficients of the length bias.

Hardly felt, but keeps the estimate finite for someone who always takes the longer answer. The scale is that of A.
Gelman et al., "A weakly informative default prior distribution for logistic and other regression models", Ann. Appl.
Stat. 2 (2008).
"""
_95_PERCENT = 1.959964


@dataclass(frozen=True, slots=True)
class LengthBias:
    """The factor by which an answer's odds grow when it is twice as long, with the 95 % interval; 1 is no bias.

    coefficient: the log of the factor; deviation: its standard error. of: the number of votes used.
    """

    coefficient: float
    deviation: float
    of: int

    @property
    def odds(self) -> float:
        """The factor per doubling of the length."""
        return math.exp(self.coefficient)

    @property
    def low(self) -> float:
        """The lower end of the factor's 95 % interval."""
        return math.exp(self.coefficient - _95_PERCENT * self.deviation)

    @property
    def high(self) -> float:
        """The upper end of the factor's 95 % interval."""
        return math.exp(self.coefficient + _95_PERCENT * self.deviation)


def position_bias(quality_votes: Iterable[QualityVote]) -> Share | None:
    """Return how often the left side wins where a side does; one half is no bias, since sides are drawn at random."""
    table = table_of(quality_votes)
    return share_of(table.left[table.decisive])


def longer_wins(quality_votes: Iterable[QualityVote]) -> Share | None:
    """Return how often the longer answer wins where one is longer and one wins."""
    table = table_of(quality_votes)
    longer = (table.choice == A) == (table.length_a > table.length_b)
    return share_of(longer[table.decisive & (table.length_a != table.length_b)])


def length_bias(quality_votes: Iterable[QualityVote]) -> LengthBias | None:
    """Fit a logistic regression of "left wins" on a constant and log2(length left / length right), in characters + 1.

    The constant takes up position bias. The coefficients have a Gaussian prior (PRIOR_DEVIATION); the estimate is the
    posterior mode, the interval is Laplace's (the curvature at the mode; C. Bishop, PRML, eq. 4.143). None without a
    vote that names a winner.
    """
    table = table_of(quality_votes)
    decisive = table.decisive
    if not decisive.any():
        return None
    signs = np.where(table.left[decisive], 1.0, -1.0)
    ratios = np.log2((table.length_a[decisive] + 1.0) / (table.length_b[decisive] + 1.0))
    ratios[table.swapped[decisive]] *= -1
    mode, curvature = _fit(np.column_stack([signs, signs * ratios]))
    return LengthBias(float(mode[1]), math.sqrt(np.linalg.inv(curvature)[1, 1]), len(signs))


def _fit(signed: Floats) -> tuple[Floats, Floats]:
    """Return mode, (k,), and curvature there, (k, k), of a logistic regression; signed: (n, k), rows times +-1."""

    def loss(weights: Floats) -> float:
        return float(weights @ weights / 2 / PRIOR_DEVIATION**2 - scipy.special.log_expit(signed @ weights).sum())

    def slope(weights: Floats) -> Floats:
        return np.asarray(weights / PRIOR_DEVIATION**2 - signed.T @ scipy.special.expit(-signed @ weights))

    def curvature(weights: Floats) -> Floats:
        odds = scipy.special.expit(signed @ weights)
        return np.asarray(np.eye(len(weights)) / PRIOR_DEVIATION**2 + (signed.T * (odds * (1 - odds))) @ signed)

    mode = scipy.optimize.minimize(loss, np.zeros(signed.shape[1]), jac=slope, hess=curvature, method="trust-exact").x
    return mode, curvature(mode)
