"""Count the judgments given per day; imported ones are left out."""

from dataclasses import dataclass
from datetime import date

from data.db.database import Database
from data.support.clock import Clock

_DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day: its current judgments, and how many people gave them."""

    day: date
    judgments: int
    people: int


class Daily:
    """Judgments per day of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def last(self, days: int, *, offset_minutes: int = 0) -> list[Day]:
        """Return the last days up to today, oldest first, days without a judgment included.

        offset_minutes: how far the reader's clock is ahead of UTC; a day begins at the reader's midnight.
        """
        offset_ms = offset_minutes * 60 * 1000
        today = (self._clock() + offset_ms) // _DAY_MS
        first = today - days + 1
        rows = self._database.rows(
            """
            select (created_at + ?) / ? as day, count(*) as judgments, count(distinct annotator_id) as people
            from current_judgment where follows_id is null and created_at + ? >= ?
              and not exists (select 1 from pair where id = pair_id and imported_sha256 is not null) group by day
            """,
            [offset_ms, _DAY_MS, offset_ms, first * _DAY_MS],
        )
        given = {row["day"]: row for row in rows}
        return [
            Day(
                date.fromordinal(date(1970, 1, 1).toordinal() + number),
                given[number]["judgments"] if number in given else 0,
                given[number]["people"] if number in given else 0,
            )
            for number in range(first, today + 1)
        ]
