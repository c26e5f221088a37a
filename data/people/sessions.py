"""Sessions: what lets a person in without a password until a time, a browser's or a program's by name.

Keeps only digests of tokens, made by the caller. Knows nothing of cookies or headers.
"""

import json
from dataclasses import dataclass

import sqlite_utils

from data.db.database import Database, Row
from data.errors import NotFoundError
from data.people.people import ANNOTATOR, annotator_of
from data.records import Annotator
from data.support.clock import Clock


@dataclass(frozen=True, slots=True)
class Session:
    """A session that lasts. name: that of an API token, None for a browser; agent: what the browser calls itself."""

    id: int
    token_sha256: str
    name: str | None
    agent: str
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a session lets in, and whether it is an API token's."""

    person: Annotator
    by_api_token: bool


_WITH_ALL_THEY_MADE = """
    with recursive gone(token) as (
      select value from json_each(?) union select s.token_sha256 from session s join gone on s.maker_sha256 = gone.token
    )
    delete from session where token_sha256 in gone
"""


class Sessions:
    """The sessions of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def open(
        self,
        annotator_id: int,
        token_sha256: str,
        expires_at: int,
        *,
        name: str | None = None,
        agent: str = "",
        maker_sha256: str | None = None,
    ) -> None:
        """Remember a session until a time (ms), and forget those that have ended.

        maker_sha256: the token that made this one, which ends with it when that one is revoked.
        """
        now = self._clock()

        def work(db: sqlite_utils.Database) -> None:
            db.execute("delete from session where expires_at <= ?", [now])
            sql = """
                insert into session(token_sha256, annotator_id, name, agent, created_at, expires_at, maker_sha256)
                values (?, ?, ?, ?, ?, ?, ?)
            """
            db.execute(sql, [token_sha256, annotator_id, name, agent, now, expires_at, maker_sha256])

        self._database.write(work)

    def person(self, token_sha256: str) -> Annotator | None:
        """Whose session this is, None if it has ended, never was, or is a disabled person's."""
        holder = self.holder(token_sha256)
        return None if holder is None else holder.person

    def holder(self, token_sha256: str) -> Holder | None:
        """The same, and by what kind of session."""
        row = self._database.row(
            f"""select p.*, s.name from ({ANNOTATOR}) p join session s on s.annotator_id = p.id
            where s.token_sha256 = ? and s.expires_at > ? and p.disabled_at is null""",
            [token_sha256, self._clock()],
        )
        return None if row is None else Holder(annotator_of(row), row["name"] is not None)

    def of(self, annotator_id: int) -> list[Session]:
        """A person's sessions that last, newest first."""
        sql = "select * from session where annotator_id = ? and expires_at > ? order by id desc"
        return [_session(row) for row in self._database.rows(sql, [annotator_id, self._clock()])]

    def close(self, token_sha256: str) -> None:
        """End a session, and none that it made; harmless if there is none."""
        sql = "delete from session where token_sha256 = ?"
        self._database.write(lambda db: db.execute(sql, [token_sha256]).rowcount)

    def end(self, annotator_id: int, session_id: int) -> None:
        """Revoke one of a person's sessions, with all it made. Raises NotFoundError if they have no such session."""
        if not self._revoke("id = ? and annotator_id = ?", [session_id, annotator_id]):
            raise NotFoundError("This session has ended already.")

    def end_all(self, annotator_id: int) -> int:
        """End all of a person's sessions, API tokens too; how many there were."""
        sql = "delete from session where annotator_id = ?"
        return self._database.write(lambda db: int(db.execute(sql, [annotator_id]).rowcount))

    def end_other_browsers(self, annotator_id: int, token_sha256: str) -> int:
        """Revoke a person's sessions in browsers but for one, with all they made; how many browsers there were."""
        return self._revoke("annotator_id = ? and name is null and token_sha256 <> ?", [annotator_id, token_sha256])

    def _revoke(self, which: str, params: list[object]) -> int:
        """End sessions and what they made, and what that made; how many there were of the first."""

        def work(db: sqlite_utils.Database) -> int:
            ended = [row["token_sha256"] for row in db.query(f"select token_sha256 from session where {which}", params)]
            db.execute(_WITH_ALL_THEY_MADE, [json.dumps(ended)])
            return len(ended)

        return self._database.write(work)


def _session(row: Row) -> Session:
    return Session(
        id=row["id"],
        token_sha256=row["token_sha256"],
        name=row["name"],
        agent=row["agent"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )
