"""REST for admins: people, their ways in, and invites. Knows nothing of hashing or storage.

Tokens are shown once, in the answer that makes them. API tokens may read here and change nothing: an invite, a link or
a role would outlive them.
"""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.account import Days, EndedOut, Password
from app.api.audit import act, audited
from app.api.auth import AdminOrOwner, InPerson
from app.api.errors import Body, Id, refusals
from app.people.accounts import DAY_MS, Accounts
from data.activity.audit import Audit, AuditAct
from data.people.invites import Invite
from data.records import Annotator, Role


class NewAccount(BaseModel):
    """An account to make."""

    login: Annotated[str, Field(max_length=64)]
    password: Password
    role: Role = Role.ANNOTATOR


class NewPassword(Body):
    """A password for somebody."""

    password: Password


class RoleIn(Body):
    """What somebody may do from now on."""

    role: Role


class LinkIn(Body):
    """A sign-in link to make."""

    days: Days = 1


class InviteIn(Body):
    """An invite to make."""

    role: Role = Role.ANNOTATOR
    days: Days = 7


class PersonAddedOut(BaseModel):
    """An account that was made."""

    login: str
    role: Role


class LinkOut(BaseModel):
    """A link, shown this once; path is to be opened at the address of the server."""

    token: str
    path: str


class NewInviteOut(LinkOut):
    """An invite with its link, shown this once."""

    invite: Invite


def build_people_api(accounts: Accounts, audit: Audit) -> APIRouter:
    """The routes of those who look after people; to be included for admins only."""
    routes = APIRouter(tags=["people"], responses=refusals(), route_class=audited(audit), dependencies=[InPerson])
    _add_people(routes, accounts)
    _add_ways_in(routes, accounts)
    _add_invites(routes, accounts)
    return routes


def _add_people(routes: APIRouter, accounts: Accounts) -> None:
    @routes.get("/people")
    def people() -> list[Annotator]:
        """Everybody, in the order they were added."""
        return accounts.people.all()

    @routes.post("/users", status_code=201, responses=refusals(409, 429))
    @act(AuditAct.ADD_USER)
    async def add_user(body: NewAccount) -> PersonAddedOut:
        """Make an account."""
        added = await accounts.add_queued(body.login, body.role, body.password)
        return PersonAddedOut(login=added.login, role=added.role)

    @routes.post("/people/{person_id}/disable", responses=refusals(404, 409))
    @act(AuditAct.DISABLE)
    def disable(person_id: Id) -> Annotator:
        """Keep somebody out and end their sessions; what they judged stays."""
        return accounts.people.disable(person_id)

    @routes.post("/people/{person_id}/enable", responses=refusals(404))
    @act(AuditAct.ENABLE)
    def enable(person_id: Id) -> Annotator:
        """Let somebody in again."""
        return accounts.people.enable(person_id)

    @routes.post("/people/{person_id}/role", responses=refusals(404, 409))
    @act(AuditAct.ROLE)
    def role(person_id: Id, body: RoleIn) -> Annotator:
        """Make somebody an admin or an annotator."""
        return accounts.people.set_role(person_id, body.role)


def _add_ways_in(routes: APIRouter, accounts: Accounts) -> None:
    @routes.post("/people/{person_id}/link", status_code=201, responses=refusals(404, 409))
    @act(AuditAct.LINK)
    def link(person_id: Id, body: LinkIn) -> LinkOut:
        """A link that signs somebody in once."""
        token = accounts.make_link(person_id, valid_ms=body.days * DAY_MS)
        return LinkOut(token=token, path=f"/auth/link?token={token}")

    @routes.post("/people/{person_id}/password", status_code=204, responses=refusals(404, 429))
    @act(AuditAct.PASSWORD)
    async def password(person_id: Id, body: NewPassword) -> None:
        """Give somebody a new password; all their sessions, API tokens and sign-in links end."""
        await accounts.set_password_queued(person_id, body.password)

    @routes.post("/people/{person_id}/sign-out", responses=refusals(404))
    @act(AuditAct.SIGN_OUT)
    def sign_out(person_id: Id) -> EndedOut:
        """End all sessions of somebody, API tokens too."""
        return EndedOut(ended=accounts.sessions.end_all(accounts.people.by_id(person_id).id))


def _add_invites(routes: APIRouter, accounts: Accounts) -> None:
    @routes.get("/people/invites")
    def invites() -> list[Invite]:
        """All invites, newest first, those too that are spent or expired."""
        return accounts.invites.all()

    @routes.post("/people/invites", status_code=201)
    @act(AuditAct.MAKE_INVITE)
    def make_invite(body: InviteIn, me: AdminOrOwner) -> NewInviteOut:
        """A link by which one new person can make an account."""
        token, invite = accounts.make_invite(body.role, valid_ms=body.days * DAY_MS, made_by=me.id)
        return NewInviteOut(token=token, path=f"/join/?token={token}", invite=invite)

    @routes.delete("/people/invites/{invite_id}", status_code=204, responses=refusals(404, 409))
    @act(AuditAct.WITHDRAW_INVITE)
    def withdraw_invite(invite_id: Id) -> None:
        """Make an invite's link worthless."""
        accounts.invites.withdraw(invite_id)
