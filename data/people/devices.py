"""Browsers that people have signed in from before, known by the digest of a token.

One browser can be known for several people. app/people/accounts.py limits sign-in attempts from a known browser apart
from all others, so that strangers cannot lock its owner out.
"""

import sqlite_utils

from data.db.database import Database
from data.support.clock import Clock

LASTS_MS = 400 * 86_400_000  # as long as browsers keep a cookie at most


class Devices:
    """The known browsers of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, annotator_id: int, token_sha256: str) -> None:
        """Remember a browser for a person, and forget those not seen for 400 days."""
        now = self._clock()

        def work(db: sqlite_utils.Database) -> None:
            db.execute("delete from device where created_at <= ?", [now - LASTS_MS])
            db.execute("insert or replace into device values (?, ?, ?)", [token_sha256, annotator_id, now])

        self._database.write(work)

    def known(self, token_sha256: str) -> bool:
        """Return whether this browser is known for anybody."""
        sql = "select count(*) from device where token_sha256 = ? and created_at > ?"
        return self._database.value(sql, [token_sha256, self._clock() - LASTS_MS]) > 0

    def knows(self, login: str, token_sha256: str) -> bool:
        """Return whether this browser is known for the person with this login."""
        sql = """
            select count(*) from device d join annotator_identity i on i.annotator_id = d.annotator_id
            where d.token_sha256 = ? and d.created_at > ? and i.login = ?
        """
        return self._database.value(sql, [token_sha256, self._clock() - LASTS_MS, login]) > 0
