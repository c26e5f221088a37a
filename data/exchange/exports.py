"""The records of exports: what was asked for, and what was written."""

import json

from data.db.database import Database, Row, insert
from data.errors import NotFoundError
from data.records import Export, NewExport
from data.support.clock import Clock
from data.support.digests import canonical


class Exports:
    """The exports of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def record(self, made: NewExport, made_by: int | None = None) -> Export:
        """Record an export."""
        row = {
            "request": canonical(made.request),
            "format": made.format,
            "container": made.container,
            "sha256": made.sha256,
            "counts": canonical(made.counts),
            "guideline_id": made.guideline_id,
            "software": made.software,
            "made_by": made_by,
            "created_at": self._clock(),
        }
        return self.by_id(self._database.write(lambda db: insert(db, "export", row)))

    def by_id(self, export_id: int) -> Export:
        """Return the export with this id. Raises NotFoundError."""
        row = self._database.row("select * from export where id = ?", [export_id])
        if row is None:
            raise NotFoundError("There is no export {number}.", number=export_id)
        return _export(row)

    def all(self) -> list[Export]:
        """Return every export, newest first."""
        return [_export(row) for row in self._database.rows("select * from export order by id desc")]


def _export(row: Row) -> Export:
    made = NewExport(
        request=json.loads(row["request"]),
        format=row["format"],
        container=row["container"],
        sha256=row["sha256"],
        counts=json.loads(row["counts"]),
        guideline_id=row["guideline_id"],
        software=row["software"],
    )
    return Export(id=row["id"], made=made, made_by=row["made_by"], created_at=row["created_at"])
