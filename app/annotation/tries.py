"""What came of the tries for pairs since the server started. Knows nothing of how a pair is made."""

from collections import Counter

from app.annotation.eval_feeder import Flaw


class Tries:
    """Counts tries: those that gave a pair, and those that were dropped, by what was wrong with them."""

    def __init__(self) -> None:
        self.pairs = 0
        self.dropped: Counter[Flaw] = Counter()
        self.in_a_row: Counter[Flaw] = Counter()

    @property
    def count(self) -> int:
        """How many there were."""
        return self.pairs + self.dropped.total()

    def note(self, flaw: Flaw | None) -> None:
        """One more; None: it gave a pair."""
        if flaw is None:
            self.pairs += 1
            self.in_a_row.clear()
        else:
            self.dropped[flaw] += 1
            self.in_a_row[flaw] += 1
