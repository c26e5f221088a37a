"""Pairs whose right answer is known. Knows nothing of how they are lent."""

from dataclasses import dataclass

from data.clock import Clock
from data.database import Database
from data.records import Choice


@dataclass(frozen=True, slots=True)
class Expected:
    """What a known pair should be judged, in its own a and b, and why."""

    choice: Choice
    explanation: str


class Gold:
    """The known pairs of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def expected(self, pair_id: int) -> Expected | None:
        """What a pair should be judged, None if that is not known."""
        row = self._database.row("select choice, explanation from gold where pair_id = ?", [pair_id])
        return None if row is None else Expected(Choice(row["choice"]), row["explanation"])
