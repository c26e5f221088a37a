"""Shares (hits of a count) with Wilson's confidence interval."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

SHOWN_CONFIDENCE = 0.95
"""The confidence of displayed intervals. Findings about a person require more, see findings.py."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share: hits of a count, which is at least one."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share, in 0-1."""
        return self.hits / self.of

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval, in 0-1."""
        return self.interval(SHOWN_CONFIDENCE)[0]

    @property
    def high(self) -> float:
        """The upper end of the 95 % interval, in 0-1."""
        return self.interval(SHOWN_CONFIDENCE)[1]

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return Wilson's score interval."""
        return wilson(self.hits, self.of, confidence)


def wilson(hits: float, of: float, confidence: float) -> tuple[float, float]:
    """Return both ends of the score interval. E. B. Wilson, "Probable inference ...", J. Am. Stat. Assoc. 22 (1927)."""
    z2 = _deviations(confidence) ** 2
    middle = (hits + z2 / 2) / (of + z2)
    half = math.sqrt(z2 * (hits * (of - hits) / of + z2 / 4)) / (of + z2)
    return max(0.0, middle - half), min(1.0, middle + half)


@cache
def _deviations(confidence: float) -> float:
    """Return the standard deviations that a two-sided interval reaches to either side."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def share(hits: Iterable[bool | None]) -> Share | None:
    """Return the share of True among True and False; None if there are neither."""
    counted = [hit for hit in hits if hit is not None]
    return Share(sum(counted), len(counted)) if counted else None


def share_of(hits: npt.NDArray[np.bool_]) -> Share | None:
    """Return the share of True in an array; None if it is empty."""
    return Share(int(hits.sum()), len(hits)) if len(hits) else None


def pooled(shares: Iterable[Share | None]) -> Share | None:
    """Return the share over all counts together; None if nothing was counted."""
    counted = [one for one in shares if one is not None]
    return Share(sum(one.hits for one in counted), sum(one.of for one in counted)) if counted else None
