"""Invites: each lets one person create an account with a role, until it expires.

Only digests of tokens are stored; the caller makes tokens and links.
"""

from dataclasses import dataclass

import sqlite_utils

from data.db.database import Database, Row, first, insert
from data.errors import ConflictError, InputError, NotFoundError
from data.people.people import ANNOTATOR, add_person, annotator_of
from data.records import Annotator, Role
from data.support.clock import Clock

_REFUSED = "This invite has been used, withdrawn or has expired. Ask an admin for a new one."


@dataclass(frozen=True, slots=True)
class Invite:
    """An invite, open until it is spent or expires. made_by: None for the command line."""

    id: int
    role: Role
    made_by: int | None
    created_at: int
    expires_at: int
    spent_at: int | None
    spent_by: int | None


class Invites:
    """The invites of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, token_sha256: str, role: Role, valid_ms: int, *, made_by: int | None) -> Invite:
        """Store an invite that is valid for a time (ms)."""
        now = self._clock()
        values = {
            "token_sha256": token_sha256,
            "role": role.value,
            "made_by": made_by,
            "created_at": now,
            "expires_at": now + valid_ms,
        }
        return self.by_id(self._database.write(lambda db: insert(db, "invite", values)))

    def by_id(self, invite_id: int) -> Invite:
        """Return the invite with this id. Raises NotFoundError."""
        row = self._database.row("select * from invite where id = ?", [invite_id])
        if row is None:
            raise NotFoundError("There is no invite {number}.", number=invite_id)
        return _invite(row)

    def all(self) -> list[Invite]:
        """Return all invites, newest first, spent and expired ones included."""
        return [_invite(row) for row in self._database.rows("select * from invite order by id desc")]

    def open(self, token_sha256: str) -> Invite:
        """Return the open invite of a token. Raises InputError if it is spent, expired or unknown."""
        row = self._database.row(
            "select * from invite where token_sha256 = ? and spent_at is null and expires_at > ?",
            [token_sha256, self._clock()],
        )
        if row is None:
            raise InputError(_REFUSED)
        return _invite(row)

    def withdraw(self, invite_id: int) -> None:
        """Delete an invite. Raises NotFoundError; ConflictError if it has been used."""
        invite = self.by_id(invite_id)
        sql = "delete from invite where id = ? and spent_at is null"
        if not self._database.write(lambda db: db.execute(sql, [invite.id]).rowcount):
            raise ConflictError("Somebody has joined by this invite already. Disable their account instead.")

    def spend(self, token_sha256: str, login: str, password_hash: str) -> Annotator:
        """Create the account of the person who joins; the invite stays open if that fails.

        Raises InputError if the invite is not open or the login is invalid; ConflictError if the login is taken.
        """
        now = self._clock()

        def work(db: sqlite_utils.Database) -> int:
            sql = "select id, role from invite where token_sha256 = ? and spent_at is null and expires_at > ?"
            row = first(db, sql, [token_sha256, now])
            if row is None:
                raise InputError(_REFUSED)
            annotator_id = add_person(db, now, login, Role(row["role"]), password_hash)
            db.execute("update invite set spent_at = ?, spent_by = ? where id = ?", [now, annotator_id, row["id"]])
            return annotator_id

        annotator_id = self._database.write(work)
        [joined] = self._database.rows(f"{ANNOTATOR} where a.id = ?", [annotator_id])
        return annotator_of(joined)


def _invite(row: Row) -> Invite:
    return Invite(
        id=row["id"],
        role=Role(row["role"]),
        made_by=row["made_by"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        spent_at=row["spent_at"],
        spent_by=row["spent_by"],
    )
