"""Accounts of annotators and admins: logins, roles, passwords, and one-time sign-in links.

Only digests of passwords and tokens are stored; the caller makes them.
"""

import re
import secrets

import sqlite_utils

from data.db.database import Database, Row, first, insert
from data.errors import ConflictError, InputError, NotFoundError
from data.people.pseudonyms import random_pseudonym
from data.records import Annotator, Role
from data.support.clock import Clock

ANNOTATOR = """
    select a.id, i.login, a.pseudonym, a.role, a.created_at, a.disabled_at
    from annotator a join annotator_identity i on i.annotator_id = a.id
"""
_LOGIN = re.compile(r"[\w.@+-]{1,64}")
_ANOTHER_WAY_IN = """
    select 1 from annotator a join annotator_identity i on i.annotator_id = a.id
    where a.role = 'admin' and a.disabled_at is null and a.id <> :id and (i.password_hash is not null
      or exists (select 1 from session s where s.annotator_id = a.id and s.expires_at > :now)
      or exists (select 1 from sign_in_link l where l.annotator_id = a.id and l.spent_at is null
                 and l.expires_at > :now))
"""


class People:
    """The people of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, login: str, role: Role, *, password_hash: str | None = None) -> Annotator:
        """Add a person under a random pseudonym.

        Raises InputError for a login of other characters than letters, digits and . @ + - _ or longer
        than 64; ConflictError if it is taken (case does not matter).
        """
        now = self._clock()
        return self.by_id(self._database.write(lambda db: add_person(db, now, login, role, password_hash)))

    def by_login(self, login: str) -> Annotator:
        """Return the person with this login. Raises NotFoundError."""
        row = self._database.row(f"{ANNOTATOR} where i.login = ?", [login])
        if row is None:
            raise NotFoundError(
                "Nobody has the login '{login}'. See who there is with `prefloop user list`.", login=login
            )
        return annotator_of(row)

    def by_id(self, annotator_id: int) -> Annotator:
        """Return the person with this id. Raises NotFoundError."""
        row = self._database.row(f"{ANNOTATOR} where a.id = ?", [annotator_id])
        if row is None:
            raise NotFoundError("There is no person with the number {number}.", number=annotator_id)
        return annotator_of(row)

    def all(self) -> list[Annotator]:
        """Return everybody with an account, in the order they were added."""
        return [annotator_of(row) for row in self._database.rows(f"{ANNOTATOR} order by a.id")]

    def pseudonyms(self) -> dict[int, str]:
        """Return all pseudonyms by id, including those of imported judgments, whose annotators have no account here."""
        rows = self._database.rows("select id, pseudonym from annotator order by id")
        return {int(row["id"]): str(row["pseudonym"]) for row in rows}

    def password_hash(self, annotator_id: int) -> str | None:
        """Return the stored hash, None if the person has no password. Raises NotFoundError."""
        row = self._database.row("select password_hash from annotator_identity where annotator_id = ?", [annotator_id])
        if row is None:
            raise NotFoundError("There is no person with the number {number}.", number=annotator_id)
        return None if row["password_hash"] is None else str(row["password_hash"])

    def rehash(self, annotator_id: int, old: str, new: str) -> None:
        """Replace the hash of an unchanged password, unless the password has been changed meanwhile."""
        sql = "update annotator_identity set password_hash = ? where annotator_id = ? and password_hash = ?"
        self._database.write(lambda db: db.execute(sql, [new, annotator_id, old]).rowcount)

    def change_password(self, annotator_id: int, password_hash: str, *, session: str = "", device: str = "") -> None:
        """Replace the stored hash and end all earlier ways to sign in: sessions, API tokens, devices, links.

        session, device: digests of tokens that stay. Raises NotFoundError.
        """
        self.by_id(annotator_id)

        def work(db: sqlite_utils.Database) -> None:
            sql = "update annotator_identity set password_hash = ? where annotator_id = ?"
            db.execute(sql, [password_hash, annotator_id])
            _end_ways_in(db, annotator_id, session, device)

        self._database.write(work)

    def disable(self, annotator_id: int) -> Annotator:
        """Disable an account until `enable`, and end all its sessions, devices and links; its judgments stay.

        Raises NotFoundError; ConflictError for the last admin who can sign in.
        """
        person, now = self.by_id(annotator_id), self._clock()

        def work(db: sqlite_utils.Database) -> None:
            _assert_another_admin(db, person, now)
            sql = "update annotator set disabled_at = ? where id = ? and disabled_at is null"
            db.execute(sql, [now, annotator_id])
            _end_ways_in(db, annotator_id)

        self._database.write(work)
        return self.by_id(annotator_id)

    def enable(self, annotator_id: int) -> Annotator:
        """Enable an account again. Idempotent; raises NotFoundError."""
        self.by_id(annotator_id)
        sql = "update annotator set disabled_at = null where id = ?"
        self._database.write(lambda db: db.execute(sql, [annotator_id]).rowcount)
        return self.by_id(annotator_id)

    def set_role(self, annotator_id: int, role: Role) -> Annotator:
        """Change a person's role.

        Raises NotFoundError; ConflictError if that would leave no admin who can sign in.
        """
        person, now = self.by_id(annotator_id), self._clock()

        def work(db: sqlite_utils.Database) -> None:
            if role is not Role.ADMIN:
                _assert_another_admin(db, person, now)
            db.execute("update annotator set role = ? where id = ?", [role.value, annotator_id])

        self._database.write(work)
        return self.by_id(annotator_id)

    def add_link(self, annotator_id: int, token_sha256: str, expires_at: int) -> None:
        """Store a link that signs this person in once, until a time (ms).

        Raises NotFoundError; ConflictError if the account is disabled.
        """
        person, row = self.by_id(annotator_id), [token_sha256, annotator_id, self._clock(), expires_at, None]
        if person.disabled_at is not None:
            raise ConflictError(
                "The account {login} is disabled, so a link would not sign in. Enable it first.", login=person.login
            )
        sql = "insert into sign_in_link values (?, ?, ?, ?, ?)"
        self._database.write(lambda db: db.execute(sql, row).rowcount)

    def by_link(self, token_sha256: str) -> Annotator | None:
        """Return the person whom a link would sign in, None in the cases of `redeem_link`."""
        sql = f"""{ANNOTATOR} join sign_in_link l on l.annotator_id = a.id
            where l.token_sha256 = ? and l.spent_at is null and l.expires_at > ? and a.disabled_at is null"""
        row = self._database.row(sql, [token_sha256, self._clock()])
        return None if row is None else annotator_of(row)

    def redeem_link(self, token_sha256: str) -> Annotator | None:
        """Spend a link and return whom it signs in; None if it is spent, expired, unknown or of a disabled account."""
        now = self._clock()
        sql = """
            update sign_in_link set spent_at = ?
            where token_sha256 = ? and spent_at is null and expires_at > ?
              and annotator_id in (select id from annotator where disabled_at is null) returning annotator_id
        """
        row = self._database.write(lambda db: first(db, sql, [now, token_sha256, now]))
        return None if row is None else self.by_id(row["annotator_id"])


def add_person(db: sqlite_utils.Database, now: int, login: str, role: Role, password_hash: str | None) -> int:
    """Add a person inside a write transaction and return their id. Raises as People.add does."""
    if not _LOGIN.fullmatch(login):
        raise InputError(
            "The username '{login}' is not 1 to 64 letters, digits or any of . @ + - _ ; choose another.", login=login
        )
    if first(db, "select 1 from annotator_identity where login = ?", [login]):
        raise ConflictError("The username '{login}' is taken; choose another.", login=login)
    annotator_id = insert(db, "annotator", {"pseudonym": free_pseudonym(db), "role": role.value, "created_at": now})
    db.execute("insert into annotator_identity values (?, ?, ?)", [annotator_id, login, password_hash])
    return annotator_id


def annotator_of(row: Row) -> Annotator:
    """Return a row of the ANNOTATOR query as a record."""
    return Annotator(
        id=row["id"],
        login=row["login"],
        pseudonym=row["pseudonym"],
        role=Role(row["role"]),
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
    )


def _assert_another_admin(db: sqlite_utils.Database, person: Annotator, now: int) -> None:
    acting = "select 1 from annotator where id = ? and role = 'admin' and disabled_at is null"
    if first(db, acting, [person.id]) and not first(db, _ANOTHER_WAY_IN, {"id": person.id, "now": now}):
        raise ConflictError("{login} is the only admin who can sign in. Make another admin first.", login=person.login)


def _end_ways_in(db: sqlite_utils.Database, annotator_id: int, session: str = "", device: str = "") -> None:
    """Delete what signs a person in without a password, except one session and one device, given by digest."""
    db.execute("delete from session where annotator_id = ? and token_sha256 <> ?", [annotator_id, session])
    db.execute("delete from device where annotator_id = ? and token_sha256 <> ?", [annotator_id, device])
    db.execute("delete from sign_in_link where annotator_id = ? and spent_at is null", [annotator_id])


def is_free(db: sqlite_utils.Database, pseudonym: str) -> bool:
    """Return whether nobody has this pseudonym."""
    return first(db, "select 1 from annotator where pseudonym = ?", [pseudonym]) is None


def free_pseudonym(db: sqlite_utils.Database) -> str:
    """Return a random pseudonym that nobody has."""
    pseudonym = random_pseudonym()
    while not is_free(db, pseudonym):
        pseudonym = f"{random_pseudonym()}{secrets.randbelow(10)}"
    return pseudonym
