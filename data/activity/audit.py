"""What admins did, in order; rows are only ever added. Knows nothing of what the acts mean."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from data.db.database import Database, Row, insert
from data.support.clock import Clock
from data.support.digests import canonical

Detail = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing done. created_at: ms since the Unix epoch.

    actor_id: by whom; None from the command line, when no server ran that could tell who it was.
    """

    id: int
    actor_id: int | None
    action: str
    detail: dict[str, str | int | float | bool | None]
    created_at: int


class Audit:
    """The acts of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, actor_id: int | None, action: str, detail: Detail) -> None:
        """Keep an act. The detail must hold no secrets: every admin may read it."""
        row = {
            "actor_id": actor_id,
            "action": action,
            "detail": canonical(dict(detail)),
            "created_at": self._clock(),
        }
        self._database.write(lambda db: insert(db, "audit", row))

    def newest(self, limit: int, *, before: int | None = None) -> list[AuditEntry]:
        """The newest acts, newest first, from before an act's id if given."""
        rows = self._database.rows(
            "select * from audit where :before is null or id < :before order by id desc limit :limit",
            {"before": before, "limit": limit},
        )
        return [_act(row) for row in rows]


def _act(row: Row) -> AuditEntry:
    return AuditEntry(row["id"], row["actor_id"], row["action"], json.loads(row["detail"]), row["created_at"])
