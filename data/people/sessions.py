"""Sessions, which sign a person in until they expire: a browser's, or a program's (API token, with a name).

Only digests of tokens are stored; the caller makes tokens.
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
    """A session that has not expired. name: of an API token, None for a browser; agent: the browser's User-Agent."""

    id: int
    token_sha256: str
    name: str | None
    agent: str
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Holder:
    """The person a session signs in, and whether it is an API token's."""

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
        """Store a session until a time (ms), and delete expired ones.

        maker_sha256: the token that created this one, if any; revoking that one revokes this one, too.
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
        """Return whose session this is; None if it has expired, is unknown or belongs to a disabled account."""
        holder = self.holder(token_sha256)
        return None if holder is None else holder.person

    def holder(self, token_sha256: str) -> Holder | None:
        """Return the same as `person`, with the kind of session."""
        row = self._database.row(
            f"""select p.*, s.name from ({ANNOTATOR}) p join session s on s.annotator_id = p.id
            where s.token_sha256 = ? and s.expires_at > ? and p.disabled_at is null""",
            [token_sha256, self._clock()],
        )
        return None if row is None else Holder(annotator_of(row), row["name"] is not None)

    def of(self, annotator_id: int) -> list[Session]:
        """Return a person's sessions that have not expired, newest first."""
        sql = "select * from session where annotator_id = ? and expires_at > ? order by id desc"
        return [_session(row) for row in self._database.rows(sql, [annotator_id, self._clock()])]

    def close(self, token_sha256: str) -> None:
        """End one session, but none that it created. Idempotent."""
        sql = "delete from session where token_sha256 = ?"
        self._database.write(lambda db: db.execute(sql, [token_sha256]).rowcount)

    def end(self, annotator_id: int, session_id: int) -> None:
        """Revoke one of a person's sessions and all it created. Raises NotFoundError if they have no such session."""
        if not self._revoke("id = ? and annotator_id = ?", [session_id, annotator_id]):
            raise NotFoundError("This session has ended already.")

    def end_all(self, annotator_id: int) -> int:
        """End all sessions of a person, API tokens too; return how many."""
        sql = "delete from session where annotator_id = ?"
        return self._database.write(lambda db: int(db.execute(sql, [annotator_id]).rowcount))

    def end_other_browsers(self, annotator_id: int, token_sha256: str) -> int:
        """Revoke a person's browser sessions but one, and all they created; return how many browsers."""
        return self._revoke("annotator_id = ? and name is null and token_sha256 <> ?", [annotator_id, token_sha256])

    def _revoke(self, which: str, params: list[object]) -> int:
        """End sessions and, recursively, those they created; return how many matched."""

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
