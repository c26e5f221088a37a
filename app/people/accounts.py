"""Accounts and authentication: sign-in and sign-out, one-time links, invites, API tokens.

Passwords are stored as argon2id hashes, tokens as sha256 only, so a stolen database lets nobody in. The API and the
command line call it.
"""

import asyncio
import secrets

from argon2 import PasswordHasher

from app.people.hashing_queue import HashingQueue
from app.people.login_throttle import Bucket, Throttle
from app.people.passwords import Passwords
from app.people.visitor import UNKNOWN, Visitor
from data.errors import BusyError, ConflictError, InputError, NotFoundError
from data.people.invites import Invite
from data.people.sessions import Holder
from data.records import Annotator, Role
from data.store import PreferenceStore
from data.support.clock import Clock, now_ms
from data.support.digests import sha256

DAY_MS = 86_400_000
_TRIES = 5
_TRIES_OF_A_LOGIN = 50
_TRIES_OF_AN_ADDRESS = 50
_REFUSED = "Username or password is wrong. Try again, or ask an admin for a sign-in link."
_DISABLED = "This account is disabled. Ask an admin to enable it."
_LINK_REFUSED = "This sign-in link has been used or has expired. Ask an admin for a new one."
_WAIT = "Too many tries. Wait {seconds} seconds and try again."


class Accounts:
    """Signs people in and out."""

    def __init__(
        self,
        store: PreferenceStore,
        *,
        clock: Clock = now_ms,
        session_ms: int = DAY_MS,
        hasher: PasswordHasher | None = None,
    ) -> None:
        self.session_ms = session_ms
        self.people = store.people
        self.sessions = store.sessions
        self.invites = store.invites
        self._devices = store.devices
        self._clock = clock
        self._throttle = Throttle(clock)
        self._passwords = Passwords(hasher)
        self._granted: dict[str, int] = {}
        self._strangers = HashingQueue()
        self._members = HashingQueue()  # separate, so that many sign-ins cannot block people who are signed in

    def add(self, login: str, role: Role, password: str | None = None) -> Annotator:
        """Add an account; without a password its owner signs in by links only.

        Raises InputError for an invalid login or password, ConflictError if the login is taken.
        """
        hashed = None if password is None else self._passwords.hash(password)
        return self.people.add(login, role, password_hash=hashed)

    async def add_queued(self, login: str, role: Role, password: str) -> Annotator:
        """Do the same as `add` for a request, in the hashing queue."""
        return await self._members.run(lambda: self.add(login, role, password))

    def sign_in(self, login: str, password: str, visitor: Visitor) -> tuple[str, Annotator]:
        """Open a session with a password; returns its token.

        Raises InputError when login or password is wrong or the account is disabled, ConflictError when this visitor
        must wait after too many failures.
        """
        return self._sign_in(login, password, visitor, self._claimed(login, visitor))

    async def sign_in_queued(self, login: str, password: str, visitor: Visitor) -> tuple[str, Annotator]:
        """Do the same as `sign_in` for a request, in the hashing queue, which visitors who must wait do not enter."""
        claim = await asyncio.to_thread(self._claimed, login, visitor)
        try:
            return await self._strangers.run(lambda: self._sign_in(login, password, visitor, claim))
        except BusyError:
            self._throttle.take_back(*claim)
            raise

    def annotator_of(self, token: str) -> Annotator | None:
        """Return the owner of a session token; None if the session has ended or never existed."""
        holder = self.holder_of(token)
        return None if holder is None else holder.person

    def holder_of(self, token: str) -> Holder | None:
        """Return the same, and whether it is an API token; a granted token counts as the owner's own session."""
        digest = sha256(token)
        if digest in self._granted:
            owner = self.people.by_id(self._granted[digest])
            return Holder(owner, by_api_token=False) if owner.disabled_at is None else None
        return self.sessions.holder(digest) if token else None

    def sign_out(self, token: str) -> None:
        """End a session; does nothing if there is none."""
        self.sessions.close(sha256(token))

    def grant(self, annotator_id: int) -> str:
        """Return a token that signs a person in while this process runs, for the owners of the home."""
        token = _new_token()
        self._granted[sha256(token)] = annotator_id
        return token

    def know_device(self, annotator_id: int, visitor: Visitor) -> str:
        """Remember this browser after a sign-in; returns its device token."""
        known = self._devices.known(sha256(visitor.device))
        device = visitor.device if known else _new_token()  # never one chosen by the client
        self._devices.add(annotator_id, sha256(device))
        return device

    def change_password(self, person: Annotator, current: str, new: str, *, token: str, visitor: Visitor) -> None:
        """Change one's own password, and end all one's other sessions, API tokens, devices and links.

        current: ignored for an account without a password. token: the session that stays open. Raises InputError when
        current is wrong or new is invalid, ConflictError after too many failures.
        """
        stored = self.people.password_hash(person.id)
        if stored is not None:
            bucket = Bucket(f"change {person.id}", _TRIES)
            self._claim((bucket,))
            if not self._passwords.fits(stored, current):
                raise InputError("The current password is wrong.")
            self._throttle.clear(bucket)
        hashed = self._passwords.hash(new)
        self.people.change_password(person.id, hashed, session=sha256(token), device=sha256(visitor.device))

    async def change_password_queued(
        self, person: Annotator, current: str, new: str, *, token: str, visitor: Visitor
    ) -> None:
        """Do the same as `change_password` for a request, in the hashing queue."""
        await self._members.run(lambda: self.change_password(person, current, new, token=token, visitor=visitor))

    def set_password(self, annotator_id: int, password: str) -> None:
        """Replace somebody's password, and end all their sessions, tokens, devices and links.

        Raises InputError if it is invalid, NotFoundError if there is no such account.
        """
        self.people.change_password(annotator_id, self._passwords.hash(password))

    async def set_password_queued(self, annotator_id: int, password: str) -> None:
        """Do the same as `set_password` for a request, in the hashing queue."""
        await self._members.run(lambda: self.set_password(annotator_id, password))

    def make_token(self, annotator_id: int, name: str, *, valid_ms: int, maker: str) -> str:
        """Create a named API token for a person's own programs. It is shown once: only its digest is stored.

        maker: the session token that creates it; when that session is revoked, this token ends too.
        """
        token = _new_token()
        ends = self._clock() + valid_ms
        self.sessions.open(annotator_id, sha256(token), ends, name=name, maker_sha256=sha256(maker))
        return token

    def make_link(self, annotator_id: int, *, valid_ms: int = DAY_MS) -> str:
        """Create a token that signs this person in once. Raises NotFoundError; ConflictError for a disabled account."""
        token = _new_token()
        self.people.add_link(annotator_id, sha256(token), self._clock() + valid_ms)
        return token

    def linked(self, token: str) -> Annotator:
        """Return whom a link signs in, without using it up. Raises InputError if it was used or has expired."""
        annotator = self.people.by_link(sha256(token))
        if annotator is None:
            raise InputError(_LINK_REFUSED)
        return annotator

    def redeem(self, token: str, visitor: Visitor = UNKNOWN) -> tuple[str, Annotator]:
        """Use up a link's token and open a session. Raises InputError if it was used or has expired."""
        annotator = self.people.redeem_link(sha256(token))
        if annotator is None:
            raise InputError(_LINK_REFUSED)
        return self._open(annotator, visitor), annotator

    def make_invite(self, role: Role, *, valid_ms: int, made_by: int | None = None) -> tuple[str, Invite]:
        """Create a token with which one new person can create an account with this role."""
        token = _new_token()
        return token, self.invites.add(sha256(token), role, valid_ms, made_by=made_by)

    def invite_of(self, token: str) -> Invite:
        """Return the invite of a token, without using it up. Raises InputError if it was used or has expired."""
        return self.invites.open(sha256(token))

    def join(self, token: str, login: str, password: str, visitor: Visitor) -> tuple[str, Annotator]:
        """Use up an invite: create the account and open a session. If that fails, the invite stays valid.

        Raises InputError for an invite that was used or has expired, or an invalid login or password; ConflictError if
        the login is taken.
        """
        self.invite_of(token)  # check first, so that strangers cannot make the server hash
        annotator = self.invites.spend(sha256(token), login, self._passwords.hash(password))
        return self._open(annotator, visitor), annotator

    async def join_queued(self, token: str, login: str, password: str, visitor: Visitor) -> tuple[str, Annotator]:
        """Do the same as `join` for a request, in the hashing queue. Invalid invites do not enter the queue."""
        await asyncio.to_thread(self.invite_of, token)
        return await self._strangers.run(lambda: self.join(token, login, password, visitor))

    def _sign_in(self, login: str, password: str, visitor: Visitor, claim: tuple[Bucket, ...]) -> tuple[str, Annotator]:
        annotator = self._checked(login, password)
        self._throttle.clear(*(bucket for bucket in claim if not bucket.fades))
        # Many people share an address, and a guesser may have an account: so only this attempt is forgiven, no other.
        self._throttle.take_back(*(bucket for bucket in claim if bucket.fades))
        if annotator.disabled_at is not None:
            raise InputError(_DISABLED)
        return self._open(annotator, visitor), annotator

    def _open(self, annotator: Annotator, visitor: Visitor) -> str:
        token = _new_token()
        self.sessions.open(annotator.id, sha256(token), self._clock() + self.session_ms, agent=visitor.agent)
        return token

    def _claimed(self, login: str, visitor: Visitor) -> tuple[Bucket, ...]:
        """Count an attempt; returns the buckets it counts in. Raises ConflictError if the visitor must wait."""
        buckets = self._buckets(login, visitor)
        self._claim(buckets)
        return buckets

    def _buckets(self, login: str, visitor: Visitor) -> tuple[Bucket, ...]:
        name, device = login.lower(), sha256(visitor.device)
        if visitor.device and self._devices.knows(login, device):
            return (Bucket(f"device {device} {name}", _TRIES),)
        return (
            Bucket(f"address {visitor.network} {name}", _TRIES),
            Bucket(f"login {name}", _TRIES_OF_A_LOGIN),
            Bucket(f"address {visitor.network}", _TRIES_OF_AN_ADDRESS, fades=True),
        )

    def _claim(self, buckets: tuple[Bucket, ...]) -> None:
        wait = self._throttle.claim(*buckets)
        if wait:
            raise ConflictError(_WAIT, seconds=-(-wait // 1000))

    def _checked(self, login: str, password: str) -> Annotator:
        """Return the person if the password is theirs; an unknown login takes the same time as a known one."""
        annotator: Annotator | None = None
        stored: str | None = None
        try:
            annotator = self.people.by_login(login)
            stored = self.people.password_hash(annotator.id)
        except NotFoundError:
            pass
        fits = self._passwords.fits(stored, password)
        if annotator is None or stored is None or not fits:
            raise InputError(_REFUSED)
        if self._passwords.outdated(stored):
            self.people.rehash(annotator.id, stored, self._passwords.hash(password))
        return annotator


def _new_token() -> str:
    return secrets.token_urlsafe(32)
