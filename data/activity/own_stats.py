"""The statistics that annotators see about themselves: how much they have judged, never how well."""

import statistics
from dataclasses import dataclass

from data.db.database import Database
from data.records import Choice
from data.support.clock import Clock

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Stats:
    """Current judgments: how many, in the last 24 hours, by choice, and the median seconds per judgment."""

    judgments: int
    last_day: int
    by_choice: dict[Choice, int]
    median_seconds: float | None


class OwnStats:
    """Statistics of single annotators of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def of(self, annotator_id: int) -> Stats:
        """Return an annotator's statistics. by_choice is in the sides they saw."""
        rows = self._database.rows(
            """
            select choice, swapped, elapsed_ms, created_at from current_judgment
            where annotator_id = ? and follows_id is null
            """,
            [annotator_id],
        )
        shown = [Choice(row["choice"]).mirrored if row["swapped"] else Choice(row["choice"]) for row in rows]
        times = [row["elapsed_ms"] / 1000 for row in rows if row["elapsed_ms"] is not None]
        since = self._clock() - _DAY_MS
        return Stats(
            judgments=len(rows),
            last_day=sum(row["created_at"] > since for row in rows),
            by_choice={choice: shown.count(choice) for choice in Choice if choice is not Choice.RETRACTED},
            median_seconds=statistics.median(times) if times else None,
        )
