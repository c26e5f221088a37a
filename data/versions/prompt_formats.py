"""The formats in which a home's model was prompted, each stored once, and which was in force when.

A format is a JSON object, identified by its sha256; app describes it, this only stores it.
"""

import json
from collections.abc import Mapping

import sqlite_utils

from data.db.database import Database, first
from data.support.clock import Clock
from data.support.digests import canonical, sha256

_NEWEST = "select prompt_format from prompt_format_in_force order by id desc limit 1"


def keep_format(db: sqlite_utils.Database, body: Mapping[str, object], *, at: int) -> str:
    """Store a format if it is new, inside a write transaction; return its sha256."""
    text = canonical(body)
    digest = sha256(text)
    db.execute("insert or ignore into prompt_format(sha256, body, created_at) values (?, ?, ?)", [digest, text, at])
    return digest


def format_in_force(db: sqlite_utils.Database) -> str | None:
    """Return the sha256 of the format in force, inside a write transaction; None before the first."""
    row = first(db, _NEWEST)
    return None if row is None else str(row["prompt_format"])


class PromptFormats:
    """The prompt formats of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def put_in_force(self, body: Mapping[str, object], *, former: Mapping[str, object]) -> str:
        """Use this format for everything sampled from now on; return its sha256.

        former: the format of versions that were trained before formats were recorded.
        """

        def work(db: sqlite_utils.Database) -> str:
            now = self._clock()
            if first(db, "select 1 from adapter_version where sha256 is not null and prompt_format is null"):
                old = keep_format(db, former, at=now)
                db.execute(
                    "update adapter_version set prompt_format = ? where sha256 is not null and prompt_format is null",
                    [old],
                )
            digest = keep_format(db, body, at=now)
            if format_in_force(db) != digest:
                db.execute("insert into prompt_format_in_force(prompt_format, created_at) values (?, ?)", [digest, now])
            return digest

        return self._database.write(work)

    def in_force(self) -> str | None:
        """Return the sha256 of the format in force, None before the first."""
        row = self._database.row(_NEWEST)
        return None if row is None else str(row["prompt_format"])

    def by_sha256(self, digest: str) -> dict[str, object] | None:
        """Return a format, None if it is unknown."""
        row = self._database.row("select body from prompt_format where sha256 = ?", [digest])
        return None if row is None else dict(json.loads(row["body"]))
