"""Quarantines: an annotator's judgments stay stored but do not count until the quarantine is lifted.

Frozen rounds keep the judgments they were given; `rounds_of` lists those rounds.
"""

import sqlite_utils

from data.db.database import Database, Row, first, insert
from data.errors import ConflictError, InputError, NotFoundError
from data.records import Quarantine
from data.support.clock import Clock

IN_FORCE = "(select annotator_id from quarantine where lifted_at is null)"
"""SQL: the annotators in quarantine."""


def in_force_at(moment: str) -> str:
    """Return SQL for the annotators in quarantine at a moment; moment: SQL, too."""
    return f"""(select annotator_id from quarantine
        where created_at <= {moment} and (lifted_at is null or lifted_at > {moment}))"""


_OPEN = "select * from quarantine where annotator_id = ? and lifted_at is null"


class Quarantines:
    """The quarantines of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, annotator_id: int, *, reason: str, made_by: int | None) -> Quarantine:
        """Start a quarantine: from now on rounds leave out all judgments of the annotator.

        Raises InputError without a reason, NotFoundError for an unknown annotator, ConflictError if they are in one.
        """
        if not reason.strip():
            raise InputError("A quarantine needs a reason: it is kept in the audit log.")
        row = {
            "annotator_id": annotator_id,
            "reason": reason.strip(),
            "made_by": made_by,
            "created_at": self._clock(),
        }

        def work(db: sqlite_utils.Database) -> int:
            if _is_in_one(db, annotator_id):
                raise ConflictError("This annotator is in quarantine already.")
            return insert(db, "quarantine", row)

        quarantine_id = self._database.write(work)
        [made] = self._database.rows("select * from quarantine where id = ?", [quarantine_id])
        return _quarantine(made)

    def lift(self, annotator_id: int, *, lifted_by: int | None) -> None:
        """End the quarantine: all judgments of the annotator count again.

        Raises NotFoundError for an unknown annotator, ConflictError if they are in none.
        """
        now = self._clock()

        def work(db: sqlite_utils.Database) -> None:
            if not _is_in_one(db, annotator_id):
                raise ConflictError("This annotator is not in quarantine.")
            sql = "update quarantine set lifted_at = ?, lifted_by = ? where annotator_id = ? and lifted_at is null"
            db.execute(sql, [now, lifted_by, annotator_id])

        self._database.write(work)

    def of(self, annotator_id: int) -> Quarantine | None:
        """Return the quarantine the annotator is in, None if there is none."""
        row = self._database.row(_OPEN, [annotator_id])
        return None if row is None else _quarantine(row)

    def in_force(self) -> list[Quarantine]:
        """Return all quarantines that are not lifted, oldest first."""
        return [_quarantine(row) for row in self._database.rows("select * from quarantine where lifted_at is null")]

    def rounds_of(self, annotator_id: int) -> dict[int, int]:
        """Count the annotator's judgments in each frozen round, by round id."""
        rows = self._database.rows(
            """
            select r.round_id, count(*) as judgments from round_judgment r
            join judgment j on j.id = r.judgment_id where j.annotator_id = ? group by r.round_id order by r.round_id
            """,
            [annotator_id],
        )
        return {int(row["round_id"]): int(row["judgments"]) for row in rows}


def _is_in_one(db: sqlite_utils.Database, annotator_id: int) -> bool:
    """Return whether the annotator is in quarantine. Raises NotFoundError for an unknown annotator."""
    if not first(db, "select 1 from annotator where id = ?", [annotator_id]):
        raise NotFoundError("there is no annotator {annotator}", annotator=annotator_id)
    return first(db, _OPEN, [annotator_id]) is not None


def _quarantine(row: Row) -> Quarantine:
    return Quarantine(
        id=row["id"],
        annotator_id=row["annotator_id"],
        reason=row["reason"],
        made_by=row["made_by"],
        created_at=row["created_at"],
    )
