"""A sequential test of two versions: valid after every vote, however often one looks.

A fixed-size test that is repeated after every vote sooner or later finds a difference where there is none. An e-value
does not: if the challenger wins at most half, the chance that it ever reaches 20 is at most 1/20 (Ville's inequality;
A. Ramdas et al., "Game-theoretic statistics and safe anytime-valid inference", Stat. Sci. 38 (2023)). Votes for neither
are left out.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

import scipy  # its parts come when they are used: most commands must not wait for them

PRIOR = 12.0
"""The prior is Beta(12, 12): versions differ little, and it settles small differences soonest (docs/benchmarks.md)."""

THRESHOLD = 20.0
"""The e-value that settles it: at most one equal challenger in twenty is ever found better, and one worse."""

_TINY = 1e-12


class SequentialOutcome(StrEnum):
    """The result so far: the challenger is BETTER, WORSE, or the test is still OPEN."""

    BETTER = "better"
    WORSE = "worse"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The number of votes for the challenger (wins) and for the champion (losses)."""

    wins: int
    losses: int

    @property
    def votes(self) -> int:
        """The number of votes for either."""
        return self.wins + self.losses

    @property
    def win_rate(self) -> float | None:
        """The challenger's share of the votes, in 0-1; None without any."""
        return self.wins / self.votes if self.votes else None

    @property
    def better(self) -> float:
        """The e-value against "the challenger wins at most half"."""
        return _e_value(self.wins, self.losses)

    @property
    def worse(self) -> float:
        """The e-value against "the challenger wins at least half"."""
        return _e_value(self.losses, self.wins)

    @property
    def outcome(self) -> SequentialOutcome:
        """The result so far."""
        if self.better >= THRESHOLD:
            return SequentialOutcome.BETTER
        return SequentialOutcome.WORSE if self.worse >= THRESHOLD else SequentialOutcome.OPEN

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the win rates in 0-1 that the votes do not rule out, with this confidence over all looks together.

        The confidence sequence of the whole Beta mixture: H. Robbins, "Statistical methods related to the law of the
        iterated logarithm", Ann. Math. Stat. 41 (1970), eq. 26, for coin tosses.
        """
        if not self.votes:
            return 0.0, 1.0
        bound = -math.log(1 - confidence)
        special = scipy.special
        mixture = special.betaln(PRIOR + self.wins, PRIOR + self.losses) - special.betaln(PRIOR, PRIOR)

        def excess(rate: float) -> float:
            return float(mixture - special.xlogy(self.wins, rate) - special.xlog1py(self.losses, -rate) - bound)

        top = self.wins / self.votes
        low = float(scipy.optimize.brentq(excess, _TINY, top)) if self.wins and excess(_TINY) > 0 else 0.0
        high = float(scipy.optimize.brentq(excess, top, 1 - _TINY)) if self.losses and excess(1 - _TINY) > 0 else 1.0
        return low, high


def course(votes: Iterable[bool]) -> tuple[Evidence, ...]:
    """Return the evidence after each vote, in order; True is a vote for the challenger."""
    counts = accumulate(votes, lambda so_far, won: (so_far[0] + won, so_far[1] + (not won)), initial=(0, 0))
    return tuple(Evidence(wins, losses) for wins, losses in counts)[1:]


def _e_value(wins: int, losses: int) -> float:
    """Return the mean likelihood over a Beta(PRIOR, PRIOR) above one half, divided by that of a fair coin.

    The integral from 1/2 to 1 of p^(a-1) (1-p)^(b-1) is an incomplete beta function (DLMF 8.17). Where most of the
    mass lies below one half its complement underflows, and 2^-(a+b)/b 2F1(1, a+b; b+1; 1/2), which equals it (DLMF
    8.17.8), does not.
    """
    special = scipy.special
    a, b = PRIOR + wins, PRIOR + losses
    if losses > wins:
        fair = math.exp(special.betaln(PRIOR, PRIOR) + 2 * PRIOR * math.log(2))
        return float(2 * special.hyp2f1(1, a + b, b + 1, 0.5) / (b * fair))
    log = special.betaln(a, b) - special.betaln(PRIOR, PRIOR) + (wins + losses) * math.log(2)
    log += math.log(2 * special.betaincc(a, b, 0.5))
    return math.exp(min(log, 700.0))
