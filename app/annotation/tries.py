"""Counts of attempts to make pairs since the server started."""

from collections import Counter

from app.annotation.eval_feeder import Flaw


class Tries:
    """Counts attempts: those that gave a pair, and those that were dropped, by flaw."""

    def __init__(self) -> None:
        self.pairs = 0
        self.dropped: Counter[Flaw] = Counter()
        self.in_a_row: Counter[Flaw] = Counter()

    @property
    def count(self) -> int:
        """Total number of attempts."""
        return self.pairs + self.dropped.total()

    def note(self, flaw: Flaw | None) -> None:
        """Count one attempt; None: it gave a pair."""
        if flaw is None:
            self.pairs += 1
            self.in_a_row.clear()
        else:
            self.dropped[flaw] += 1
            self.in_a_row[flaw] += 1
