"""REST for one's own account: password, sessions, API tokens. Knows nothing of hashing or storage.

API tokens may read it and change nothing: else a stolen one could make another, and outlive its own revocation.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from app.api.auth import Caller, InPerson
from app.api.errors import Body, Id, refusals
from app.people.accounts import DAY_MS, Accounts
from app.people.passwords import LONGEST
from app.people.visitor import token_of, visitor_of
from data.people.sessions import Session
from data.records import Role
from data.support.digests import sha256

_MOST_DAYS = 366

Days = Annotated[int, Field(ge=1, le=_MOST_DAYS)]
Password = Annotated[str, Field(max_length=LONGEST)]


async def _token(request: Request) -> str:
    return token_of(request)


Token = Annotated[str, Depends(_token)]


class PasswordChange(Body):
    """current: empty for those who have no password yet."""

    current: Password = ""
    new: Password


class TokenIn(Body):
    """An API token to make; it ends after `days`."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"\S")]
    days: Days = 90


class AccountOut(BaseModel):
    """The caller."""

    login: str
    pseudonym: str
    role: Role
    created_at: int
    has_password: bool


class SessionOut(BaseModel):
    """A session that lasts. name: that of an API token, None for a browser; this: the one that asks."""

    id: int
    name: str | None
    agent: str
    created_at: int
    expires_at: int
    this: bool


class TokenOut(BaseModel):
    """A bearer token, shown this once."""

    token: str


class EndedOut(BaseModel):
    """How many sessions were ended."""

    ended: int


def build_account_api(accounts: Accounts) -> APIRouter:
    """The routes of one's own account."""
    routes = APIRouter(prefix="/account", tags=["account"], responses=refusals(), dependencies=[InPerson])

    @routes.get("")
    def account(me: Caller) -> AccountOut:
        """Who the caller is."""
        return AccountOut(
            login=me.login,
            pseudonym=me.pseudonym,
            role=me.role,
            created_at=me.created_at,
            has_password=accounts.people.password_hash(me.id) is not None,
        )

    @routes.post("/password", status_code=204, responses=refusals(409, 429))
    async def password(body: PasswordChange, me: Caller, token: Token, request: Request) -> None:
        """Change one's password; all one's other sessions, API tokens and sign-in links end."""
        visitor = visitor_of(request)
        await accounts.change_password_queued(me, body.current, body.new, token=token, visitor=visitor)

    @routes.get("/sessions")
    def sessions(me: Caller, token: Token) -> list[SessionOut]:
        """One's sessions and API tokens, newest first."""
        return [_session(session, sha256(token)) for session in accounts.sessions.of(me.id)]

    @routes.post("/sessions/end-others")
    def end_others(me: Caller, token: Token) -> EndedOut:
        """End one's sessions in all other browsers, with the API tokens that they made; other tokens stay."""
        return EndedOut(ended=accounts.sessions.end_other_browsers(me.id, sha256(token)))

    @routes.delete("/sessions/{session_id}", status_code=204, responses=refusals(404))
    def end(session_id: Id, me: Caller) -> None:
        """End one of one's sessions with the API tokens that it made, or revoke an API token."""
        accounts.sessions.end(me.id, session_id)

    @routes.post("/tokens", status_code=201)
    def make_token(body: TokenIn, me: Caller, token: Token) -> TokenOut:
        """An API token for one's own programs: `Authorization: Bearer TOKEN`. It ends with the session that made it,
        if that is revoked; signing out there does not end it.
        """
        return TokenOut(token=accounts.make_token(me.id, body.name.strip(), valid_ms=body.days * DAY_MS, maker=token))

    return routes


def _session(session: Session, token_sha256: str) -> SessionOut:
    return SessionOut(
        id=session.id,
        name=session.name,
        agent=session.agent,
        created_at=session.created_at,
        expires_at=session.expires_at,
        this=session.token_sha256 == token_sha256,
    )
