"""Who is who: passwords, sessions and one-time links. Knows nothing of HTTP.

Passwords are kept as argon2id hashes; of a token only its sha256 is kept, so a stolen database opens
no session. Every method may block (hashing takes tens of milliseconds): call it from a thread.
"""

import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.throttle import Throttle
from data.clock import Clock, now_ms
from data.digests import sha256
from data.errors import ConflictError, InputError, NotFoundError
from data.people import People
from data.records import Annotator, Role

DAY_MS = 86_400_000
_SHORTEST_PASSWORD = 8
_LONGEST_PASSWORD = 256
_HASHES_AT_ONCE = 2  # one takes 64 MiB and a core: a flood of sign-ins must not take the machine
_REFUSED = "Login or password is wrong. Try again, or ask an admin for a sign-in link."
_LINK_REFUSED = "This sign-in link has been used or has expired. Ask an admin for a new one."


class Accounts:
    """Signs people in and out."""

    def __init__(
        self,
        people: People,
        *,
        clock: Clock = now_ms,
        session_ms: int = DAY_MS,
        hasher: PasswordHasher | None = None,
    ) -> None:
        self.session_ms = session_ms
        self._people = people
        self._clock = clock
        self._throttle = Throttle(clock)
        self._hasher = hasher or PasswordHasher()
        self._hashing = threading.Semaphore(_HASHES_AT_ONCE)
        self._nobody = self._hasher.hash(secrets.token_urlsafe())

    def add(self, login: str, role: Role, password: str | None = None) -> Annotator:
        """Add a person; without a password they sign in by links only.

        Raises InputError for an unfit login or password, ConflictError if the login is taken.
        """
        hashed = None if password is None else self._hash(password)
        return self._people.add(login, role, password_hash=hashed)

    def set_password(self, annotator_id: int, password: str) -> None:
        """Replace a password. Raises InputError if it is unfit, NotFoundError if there is no such person."""
        self._people.set_password_hash(annotator_id, self._hash(password))

    def sign_in(self, login: str, password: str, client: str) -> tuple[str, Annotator]:
        """Open a session with a password; `client` is where the try comes from.

        Raises InputError when login or password is wrong, ConflictError when this client has failed
        with this login too often and must wait. Other clients of the same login do not wait.
        """
        caller = f"{client} {login.lower()}"
        wait = self._throttle.claim(caller)
        if wait:
            raise ConflictError(f"Too many tries. Wait {-(-wait // 1000)} seconds and try again.")
        annotator = self._checked(login, password)
        self._throttle.clear(caller)
        return self._open(annotator), annotator

    def annotator_of(self, token: str) -> Annotator | None:
        """Whose session this token opens, None if it has ended or never was."""
        return self._people.of_session(sha256(token)) if token else None

    def sign_out(self, token: str) -> None:
        """End a session; harmless if there is none."""
        self._people.close_session(sha256(token))

    def make_link(self, annotator_id: int, *, valid_ms: int = DAY_MS) -> str:
        """A token that signs this person in once. Raises NotFoundError."""
        token = secrets.token_urlsafe(32)
        self._people.add_link(annotator_id, sha256(token), self._clock() + valid_ms)
        return token

    def redeem(self, token: str) -> tuple[str, Annotator]:
        """Spend a link's token and open a session. Raises InputError if it is spent or has expired."""
        annotator = self._people.redeem_link(sha256(token))
        if annotator is None:
            raise InputError(_LINK_REFUSED)
        return self._open(annotator), annotator

    def _open(self, annotator: Annotator) -> str:
        token = secrets.token_urlsafe(32)
        self._people.open_session(annotator.id, sha256(token), self._clock() + self.session_ms)
        return token

    def _checked(self, login: str, password: str) -> Annotator:
        """The person, if the password is theirs; an unknown login costs the same work as a known one."""
        annotator: Annotator | None = None
        stored: str | None = None
        try:
            annotator = self._people.by_login(login)
            stored = self._people.password_hash(annotator.id)
        except NotFoundError:
            pass
        fits = self._fits(stored or self._nobody, password[: _LONGEST_PASSWORD + 1])
        if annotator is None or stored is None or not fits:
            raise InputError(_REFUSED)
        if self._hasher.check_needs_rehash(stored):
            self._people.set_password_hash(annotator.id, self._hash(password))
        return annotator

    def _fits(self, stored: str, password: str) -> bool:
        try:
            with self._hashing:
                return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    def _hash(self, password: str) -> str:
        if not _SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
            raise InputError(
                f"the password has {len(password)} characters; it must have {_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD}"
            )
        with self._hashing:
            return self._hasher.hash(password)
