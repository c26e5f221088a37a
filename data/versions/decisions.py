"""The decisions on each version, by whom and on what numbers; rows are only ever added.

app/versions decides; which version serves is recorded in versions.py.
"""

import json
from collections.abc import Mapping

import sqlite_utils

from data.db.database import Database, Row, insert
from data.errors import InputError
from data.records import Decision, Ruling, ServingAction
from data.support.clock import Clock
from data.support.digests import canonical
from data.versions.versions import insert_serving, version_id

_DECISION = """
    select d.id, v.name as version, d.ruling, d.reason, d.numbers, d.actor_id, d.created_at
    from decision d join adapter_version v on v.id = d.version_id
"""


Numbers = Mapping[str, float | int | str | None]


def assert_reason(reason: str) -> None:
    """Raise InputError if a reason is blank."""
    if not reason.strip():
        raise InputError("A decision needs a reason: it is kept in the audit log.")


class Decisions:
    """The decisions of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(
        self,
        version: str,
        ruling: Ruling,
        *,
        reason: str,
        numbers: Numbers | None = None,
        actor_id: int | None = None,
    ) -> Decision:
        """Record a decision. Raises NotFoundError for an unknown version, InputError without a reason."""
        assert_reason(reason)

        def work(db: sqlite_utils.Database) -> int:
            return self._insert(db, version, ruling, reason, numbers, actor_id)

        return self._by_id(self._database.write(work))

    def move(
        self,
        version: str,
        ruling: Ruling,
        *,
        serves: str,
        action: ServingAction,
        reason: str,
        numbers: Numbers | None = None,
        actor_id: int | None = None,
    ) -> Decision:
        """Record a decision and, in the same transaction, that a version serves from now on.

        Raises as add does.
        """
        assert_reason(reason)

        def work(db: sqlite_utils.Database) -> int:
            insert_serving(db, serves, action, actor_id=actor_id, reason=reason, at=self._clock())
            return self._insert(db, version, ruling, reason, numbers, actor_id)

        return self._by_id(self._database.write(work))

    def all(self) -> list[Decision]:
        """Return every decision, oldest first."""
        return [_decision(row) for row in self._database.rows(f"{_DECISION} order by d.id")]

    def of(self, version: str) -> list[Decision]:
        """Return the decisions on a version, oldest first."""
        return [_decision(row) for row in self._database.rows(f"{_DECISION} where v.name = ? order by d.id", [version])]

    def tried(self) -> Decision | None:
        """Return the decision that put a version on trial against the champion; None if none is on trial."""
        latest = f"{_DECISION} where d.id in (select max(id) from decision group by version_id) and d.ruling = ?"
        row = self._database.row(f"{latest} order by d.id desc limit 1", [Ruling.TRY.value])
        return None if row is None else _decision(row)

    def _insert(
        self,
        db: sqlite_utils.Database,
        version: str,
        ruling: Ruling,
        reason: str,
        numbers: Numbers | None,
        actor_id: int | None,
    ) -> int:
        row = {
            "version_id": version_id(db, version),
            "ruling": ruling.value,
            "reason": reason.strip(),
            "numbers": canonical(dict(numbers or {})),
            "actor_id": actor_id,
            "created_at": self._clock(),
        }
        return insert(db, "decision", row)

    def _by_id(self, decision_id: int) -> Decision:
        [row] = self._database.rows(f"{_DECISION} where d.id = ?", [decision_id])
        return _decision(row)


def _decision(row: Row) -> Decision:
    return Decision(
        id=row["id"],
        version=row["version"],
        ruling=Ruling(row["ruling"]),
        reason=row["reason"],
        numbers=json.loads(row["numbers"]),
        actor_id=row["actor_id"],
        created_at=row["created_at"],
    )
