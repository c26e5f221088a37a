"""Annotators, and how they are known to come back: logins, sessions, one-time links.

Keeps only digests of passwords and tokens, made by the caller. Knows nothing of cookies or hashing.
"""

import re
import secrets

import sqlite_utils

from data.clock import Clock
from data.database import Database, Row, first, insert
from data.errors import ConflictError, InputError, NotFoundError
from data.pseudonyms import random_pseudonym
from data.records import Annotator, Role

_LOGIN = re.compile(r"[\w.@+-]{1,64}")
_ANNOTATOR = """
    select a.id, i.login, a.pseudonym, a.role, a.created_at
    from annotator a join annotator_identity i on i.annotator_id = a.id
"""


class People:
    """The annotators of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, login: str, role: Role, *, password_hash: str | None = None) -> Annotator:
        """Add a person under a random pseudonym.

        Raises InputError for a login of other characters than letters, digits and . @ + - _ or longer
        than 64; ConflictError if it is taken (large and small letters do not differ).
        """
        if not _LOGIN.fullmatch(login):
            raise InputError(f"login {login!r} is not 1 to 64 letters, digits or any of . @ + - _; choose another")

        def work(db: sqlite_utils.Database) -> int:
            if first(db, "select 1 from annotator_identity where login = ?", [login]):
                raise ConflictError(f"login {login!r} is taken; choose another")
            values = {"pseudonym": _free_pseudonym(db), "role": role.value, "created_at": self._clock()}
            annotator_id = insert(db, "annotator", values)
            db.execute("insert into annotator_identity values (?, ?, ?)", [annotator_id, login, password_hash])
            return annotator_id

        return self.by_id(self._database.write(work))

    def by_login(self, login: str) -> Annotator:
        """The person with this login. Raises NotFoundError."""
        row = self._database.row(f"{_ANNOTATOR} where i.login = ?", [login])
        if row is None:
            raise NotFoundError(f"nobody has the login {login!r}; add them with `prefloop user add`")
        return _annotator(row)

    def by_id(self, annotator_id: int) -> Annotator:
        """The person with this id. Raises NotFoundError."""
        row = self._database.row(f"{_ANNOTATOR} where a.id = ?", [annotator_id])
        if row is None:
            raise NotFoundError(f"there is no annotator {annotator_id}")
        return _annotator(row)

    def all(self) -> list[Annotator]:
        """Everybody, in the order they were added."""
        return [_annotator(row) for row in self._database.rows(f"{_ANNOTATOR} order by a.id")]

    def password_hash(self, annotator_id: int) -> str | None:
        """The stored hash, None if the person has no password. Raises NotFoundError."""
        row = self._database.row("select password_hash from annotator_identity where annotator_id = ?", [annotator_id])
        if row is None:
            raise NotFoundError(f"there is no annotator {annotator_id}")
        return None if row["password_hash"] is None else str(row["password_hash"])

    def set_password_hash(self, annotator_id: int, password_hash: str) -> None:
        """Replace the stored hash. Raises NotFoundError."""
        self.by_id(annotator_id)
        sql = "update annotator_identity set password_hash = ? where annotator_id = ?"
        self._database.write(lambda db: db.execute(sql, [password_hash, annotator_id]).rowcount)

    def open_session(self, annotator_id: int, token_sha256: str, expires_at: int) -> None:
        """Remember a session until a time (ms), and forget those that have ended. Raises NotFoundError."""
        self.by_id(annotator_id)
        now = self._clock()

        def work(db: sqlite_utils.Database) -> None:
            db.execute("delete from session where expires_at <= ?", [now])
            row = [token_sha256, annotator_id, now, expires_at]
            db.execute("insert into session values (?, ?, ?, ?)", row)

        self._database.write(work)

    def of_session(self, token_sha256: str) -> Annotator | None:
        """Whose session this is, None if it has ended or never was."""
        row = self._database.row(
            f"{_ANNOTATOR} join session s on s.annotator_id = a.id where s.token_sha256 = ? and s.expires_at > ?",
            [token_sha256, self._clock()],
        )
        return None if row is None else _annotator(row)

    def close_session(self, token_sha256: str) -> None:
        """Forget a session; harmless if there is none."""
        sql = "delete from session where token_sha256 = ?"
        self._database.write(lambda db: db.execute(sql, [token_sha256]).rowcount)

    def add_link(self, annotator_id: int, token_sha256: str, expires_at: int) -> None:
        """Remember a link that signs this person in once, until a time (ms). Raises NotFoundError."""
        self.by_id(annotator_id)
        row = [token_sha256, annotator_id, self._clock(), expires_at, None]
        sql = "insert into sign_in_link values (?, ?, ?, ?, ?)"
        self._database.write(lambda db: db.execute(sql, row).rowcount)

    def redeem_link(self, token_sha256: str) -> Annotator | None:
        """Spend a link: whom it signs in, None if it is spent, expired or never was."""
        now = self._clock()
        sql = """
            update sign_in_link set spent_at = ?
            where token_sha256 = ? and spent_at is null and expires_at > ? returning annotator_id
        """
        row = self._database.write(lambda db: first(db, sql, [now, token_sha256, now]))
        return None if row is None else self.by_id(row["annotator_id"])


def _free_pseudonym(db: sqlite_utils.Database) -> str:
    pseudonym = random_pseudonym()
    while first(db, "select 1 from annotator where pseudonym = ?", [pseudonym]):
        pseudonym = f"{random_pseudonym()}{secrets.randbelow(10)}"
    return pseudonym


def _annotator(row: Row) -> Annotator:
    return Annotator(
        id=row["id"],
        login=row["login"],
        pseudonym=row["pseudonym"],
        role=Role(row["role"]),
        created_at=row["created_at"],
    )
