"""Who is who: signing in and out, one-time links, invites, API tokens. Knows nothing of HTTP.

Passwords are kept as argon2id hashes; of a token only its sha256 is kept, so a stolen database opens
no XX"""

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
_REFUSED = "Login or password is wrong. Try again, or ask an admin for a sign-in link."
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
        self._members = HashingQueue()  # of their own: a crowd at the door must not keep out those who are in

    def add(self, login: str, role: Role, password: str | None = None) -> Annotator:
        """Add a person; without a password they sign in by links only.

        Raises InputError for an unfit login or password, ConflictError if the login is taken.
        """
        hashed = None if password is None else self._passwords.hash(password)
        return self.people.add(login, role, password_hash=hashed)

    async def add_queued(self, login: str, role: Role, password: str) -> Annotator:
        """The same for a request."""
        return await self._members.run(lambda: self.add(login, role, password))

    def sign_in(self, login: str, password: str, visitor: Visitor) -> tuple[str, Annotator]:
        """Open a session with a password.

        Raises InputError when login or password is wrong or the account disabled, ConflictError when there have
        been too many failures and this visitor must wait.
        """
        return self._sign_in(login, password, visitor, self._claimed(login, visitor))

    async def sign_in_queued(self, login: str, password: str, visitor: Visitor) -> tuple[str, Annotator]:
        """The same for a request. Who must wait takes no place in the queue."""
        claim = await asyncio.to_thread(self._claimed, login, visitor)
        try:
            return await self._strangers.run(lambda: self._sign_in(login, password, visitor, claim))
        except BusyError:
            self._throttle.take_back(*claim)
            raise

    def annotator_of(self, token: str) -> Annotator | None:
        """Whose session this token opens, None if it has ended or never was."""
        holder = self.holder_of(token)
        return None if holder is None else holder.person

    def holder_of(self, token: str) -> Holder | None:
        """The same, and whether it is an API token; one that was granted counts as its owner's own hand."""
        digest = sha256(token)
        if digest in self._granted:
            owner = self.people.by_id(self._granted[digest])
            return Holder(owner, by_api_token=False) if owner.disabled_at is None else None
        return self.sessions.holder(digest) if token else None

    def sign_out(self, token: str) -> None:
        """End a session; harmless if there is none."""
        self.sessions.close(sha256(token))

    def grant(self, annotator_id: int) -> str:
        """A token that lets a person in as long as this process runs, for those who own the home anyway."""
        token = _new_token()
        self._granted[sha256(token)] = annotator_id
        return token

    def know_device(self, annotator_id: int, visitor: Visitor) -> str:
        """Know the browser of somebody who signed in; the token that it shall keep."""
        known = self._devices.known(sha256(visitor.device))
        device = visitor.device if known else _new_token()  # never one that a stranger made up
        self._devices.add(annotator_id, sha256(device))
        return device

    def change_password(self, person: Annotator, current: str, new: str, *, token: str, visitor: Visitor) -> None:
        """Replace one's own password and end all one's other sessions, API tokens, devices and links.

        current is not asked of those who have none yet. token: the session that stays. Raises InputError when
        current is wrong or new is unfit, ConflictError after too many failures.
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
        """The same for a request."""
        await self._members.run(lambda: self.change_password(person, current, new, token=token, visitor=visitor))

    def set_password(self, annotator_id: int, password: str) -> None:
        """Replace somebody's password and end all ways in that came of the old one.

        Raises InputError if it is unfit, NotFoundError if there is no such person.
        """
        self.people.change_password(annotator_id, self._passwords.hash(password))

    async def set_password_queued(self, annotator_id: int, password: str) -> None:
        """The same for a request."""
        await self._members.run(lambda: self.set_password(annotator_id, password))

    def make_token(self, annotator_id: int, name: str, *, valid_ms: int, maker: str) -> str:
        """A bearer token for a person's own programs, known to them by a name. Shown once: only its digest is kept.

        maker: the token of the session that makes it; when that is revoked, this one ends too.
        """
        token = _new_token()
        ends = self._clock() + valid_ms
        self.sessions.open(annotator_id, sha256(token), ends, name=name, maker_sha256=sha256(maker))
        return token

    def make_link(self, annotator_id: int, *, valid_ms: int = DAY_MS) -> str:
        """A token that signs this person in once. Raises NotFoundError; ConflictError for a disabled account."""
        token = _new_token()
        self.people.add_link(annotator_id, sha256(token), self._clock() + valid_ms)
        return token

    def linked(self, token: str) -> Annotator:
        """Whom a link signs in; it is left as it is. Raises InputError if it is spent or has expired."""
        annotator = self.people.by_link(sha256(token))
        if annotator is None:
            raise InputError(_LINK_REFUSED)
        return annotator

    def redeem(self, token: str, visitor: Visitor = UNKNOWN) -> tuple[str, Annotator]:
        """Spend a link's token and open a session. Raises InputError if it is spent or has expired."""
        annotator = self.people.redeem_link(sha256(token))
        if annotator is None:
            raise InputError(_LINK_REFUSED)
        return self._open(annotator, visitor), annotator

    def make_invite(self, role: Role, *, valid_ms: int, made_by: int | None = None) -> tuple[str, Invite]:
        """A token that lets one new person make an account of a role."""
        token = _new_token()
        return token, self.invites.add(sha256(token), role, valid_ms, made_by=made_by)

    def invite_of(self, token: str) -> Invite:
        """The invite of a token, left as it is. Raises InputError if it is spent or has expired."""
        return self.invites.open(sha256(token))

    def join(self, token: str, login: str, password: str, visitor: Visitor) -> tuple[str, Annotator]:
        """Spend an invite: make the account and open a session. If it fails, the invite stays open.

        Raises InputError for an invite that is spent or has expired or an unfit login or password, ConflictError
        if the login is taken.
        """
        self.invite_of(token)  # hash nothing for strangers
        annotator = self.invites.spend(sha256(token), login, self._passwords.hash(password))
        return self._open(annotator, visitor), annotator

    async def join_queued(self, token: str, login: str, password: str, visitor: Visitor) -> tuple[str, Annotator]:
        """The same for a request. Without an open invite it takes no place in the queue."""
        await asyncio.to_thread(self.invite_of, token)
        return await self._strangers.run(lambda: self.join(token, login, password, visitor))

    def _sign_in(self, login: str, password: str, visitor: Visitor, claim: tuple[Bucket, ...]) -> tuple[str, Annotator]:
        annotator = self._checked(login, password)
        self._throttle.clear(*(bucket for bucket in claim if not bucket.fades))
        # An address is many people's, and a guesser may have an account: that forgives this try and no other.
        self._throttle.take_back(*(bucket for bucket in claim if bucket.fades))
        if annotator.disabled_at is not None:
            raise InputError(_DISABLED)
        return self._open(annotator, visitor), annotator

    def _open(self, annotator: Annotator, visitor: Visitor) -> str:
        token = _new_token()
        self.sessions.open(annotator.id, sha256(token), self._clock() + self.session_ms, agent=visitor.agent)
        return token

    def _claimed(self, login: str, visitor: Visitor) -> tuple[Bucket, ...]:
        """What a try counts in, once it has been let go ahead."""
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
        """The person, if the password is theirs; an unknown login costs the same work as a known one."""
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
