"""A share of a count, with its interval. Knows nothing of what is counted."""

from collections.abc import Iterable
from dataclasses import dataclass

from statsmodels.stats.proportion import proportion_confint

SHOWN_CONFIDENCE = 0.95
"""Of the intervals that are shown. To find fault with a person takes more, see findings.py."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many; at least one was counted."""

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
        """Wilson's score interval."""
        return wilson(self.hits, self.of, confidence)


def wilson(hits: float, of: float, confidence: float) -> tuple[float, float]:
    """Both ends of the score interval. E. B. Wilson, "Probable inference ...", J. Am. Stat. Assoc. 22 (1927)."""
    low, high = proportion_confint(hits, of, alpha=1 - confidence, method="wilson")
    return float(low), float(high)


def share(hits: Iterable[bool | None]) -> Share | None:
    """The share of True among True and False; None if there are neither."""
    counted = [hit for hit in hits if hit is not None]
    return Share(sum(counted), len(counted)) if counted else None


def pooled(shares: Iterable[Share | None]) -> Share | None:
    """The share of all that was counted; None if nothing was."""
    counted = [one for one in shares if one is not None]
    return Share(sum(one.hits for one in counted), sum(one.of for one in counted)) if counted else None
