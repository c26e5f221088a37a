"""The guidelines that annotators judge by: every version is kept, the newest is in force.

A lease notes the version in force and hands it on to the judgment; see leases.py. Texts are Markdown, not parsed here.
"""

import json
from collections.abc import Mapping

import sqlite_utils

from data.db.database import Database, Row, first, insert
from data.errors import InputError, NotFoundError
from data.records import Guideline
from data.support.clock import Clock
from data.support.digests import canonical, sha256

LONGEST = 100_000


class Guidelines:
    """The guidelines of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def publish(self, body: str, translations: Mapping[str, str] | None = None) -> Guideline:
        """Put a text in force; translations: by language tag ("zh"). Publishing the newest text again adds no version.

        Raises InputError for an empty text or one of more than LONGEST characters.
        """
        texts = {language: text for language, text in (translations or {}).items() if text.strip()}
        if not body.strip():
            raise InputError("The guidelines are empty. Write at least a sentence.")
        if max(map(len, (body, *texts.values()))) > LONGEST:
            raise InputError("The guidelines have more than {most} characters. Shorten them.", most=LONGEST)
        digest = sha256(canonical([body, texts]))

        def work(db: sqlite_utils.Database) -> int:
            newest = first(db, "select id, sha256 from guideline order by id desc limit 1")
            if newest is not None and newest["sha256"] == digest:
                return int(newest["id"])
            number = 1 if newest is None else newest["id"] + 1
            row = {
                "version": str(number),
                "sha256": digest,
                "body": body,
                "translations": canonical(texts),
                "created_at": self._clock(),
            }
            return insert(db, "guideline", row)

        return self.by_id(self._database.write(work))

    def newest(self) -> Guideline | None:
        """Return the guideline in force, None before the first."""
        row = self._database.row("select * from guideline order by id desc limit 1")
        return None if row is None else _guideline(row)

    def by_id(self, guideline_id: int) -> Guideline:
        """Return the guideline with this id. Raises NotFoundError."""
        row = self._database.row("select * from guideline where id = ?", [guideline_id])
        if row is None:
            raise NotFoundError("there is no guideline {guideline}", guideline=guideline_id)
        return _guideline(row)

    def all(self) -> list[Guideline]:
        """Return every version, newest first."""
        return [_guideline(row) for row in self._database.rows("select * from guideline order by id desc")]

    def uses(self) -> dict[int, int]:
        """Count the current judgments given under each version, by its id; versions without any are left out."""
        rows = self._database.rows(
            """
            select guideline_id, count(*) as judgments from current_judgment
            where guideline_id is not null and follows_id is null group by guideline_id
            """
        )
        return {int(row["guideline_id"]): int(row["judgments"]) for row in rows}


def _guideline(row: Row) -> Guideline:
    return Guideline(
        id=row["id"],
        version=row["version"],
        body=row["body"],
        translations=json.loads(row["translations"]),
        created_at=row["created_at"],
    )
