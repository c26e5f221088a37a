"""The queue of rounds: at most one waits, until the current round has ended."""

import sqlite_utils

from data.db.database import Database, Row, first, insert
from data.errors import ConflictError
from data.records import RoundRequest
from data.support.clock import Clock

AFTER_WAITING = "by hand, after waiting"
"""The cause of a round that had waited in the queue."""


def leave_queue(db: sqlite_utils.Database) -> None:
    """Empty the queue, inside a write transaction."""
    db.execute("delete from round_request")


class RoundRequests:
    """The queue of a store's rounds; it has one place."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, algorithm: str | None, asked_by: int | None) -> RoundRequest:
        """Queue a round until the current one has ended. Raises ConflictError if another is queued already."""

        def work(db: sqlite_utils.Database) -> None:
            if first(db, "select id from round_request") is not None:
                raise ConflictError("Another round is queued already; withdraw it before asking for a new one.")
            row = {"id": 1, "algorithm": algorithm, "asked_by": asked_by, "created_at": self._clock()}
            insert(db, "round_request", row)

        self._database.write(work)
        found = self.waiting()
        assert found is not None
        return found

    def waiting(self) -> RoundRequest | None:
        """Return the queued round, if any."""
        row = self._database.row("select * from round_request")
        return None if row is None else _request(row)

    def take(self) -> RoundRequest | None:
        """Empty the queue; return the round that was queued, if any."""

        def work(db: sqlite_utils.Database) -> Row | None:
            row = first(db, "select * from round_request")
            leave_queue(db)
            return row

        row = self._database.write(work)
        return None if row is None else _request(row)


def _request(row: Row) -> RoundRequest:
    return RoundRequest(row["algorithm"], row["asked_by"], row["created_at"])
