"""Looking after people by login, at a running server or in a home that none runs on. Both answer as the API does.

Knows nothing of commands or of what they print.
"""

from typing import Any, Protocol

from app.api.account import EndedOut
from app.api.people import LinkOut, NewInviteOut, PersonAddedOut
from app.client.client import Client
from app.people.accounts import DAY_MS, Accounts
from data.activity.audit import Audit, AuditAct
from data.errors import NotFoundError
from data.people.invites import Invite
from data.records import Annotator, Role


class Roster(Protocol):
    """Everybody, as somebody who owns the home may handle them. Methods raise PrefloopError with words."""

    @property
    def url(self) -> str:
        """Where links lead to, as far as this machine knows."""
        ...

    def add(self, login: str, role: Role, password: str) -> PersonAddedOut:
        """Make an account."""
        ...

    def all(self) -> list[Annotator]:
        """Everybody, in the order they were added."""
        ...

    def by_login(self, login: str) -> Annotator:
        """One of them, whatever the case of the letters."""
        ...

    def invite(self, role: Role, days: int) -> NewInviteOut:
        """An invite by which one new person can make an account."""
        ...

    def invites(self) -> list[Invite]:
        """All invites, newest first, those too that are spent or expired."""
        ...

    def withdraw(self, invite_id: int) -> None:
        """Make an invite's link worthless."""
        ...

    def link(self, login: str, days: int) -> LinkOut:
        """A link that signs a person in once."""
        ...

    def set_password(self, login: str, password: str) -> None:
        """Replace a password and end all ways in that came of the old one."""
        ...

    def disable(self, login: str) -> Annotator:
        """Keep a person out."""
        ...

    def enable(self, login: str) -> Annotator:
        """Let a person in again."""
        ...

    def set_role(self, login: str, role: Role) -> Annotator:
        """Say what a person may do from now on."""
        ...

    def sign_out(self, login: str) -> EndedOut:
        """End all of a person's sessions; how many there were."""
        ...


class StoredRoster:
    """The roster of an open store. What is done is kept in the audit by the names that the API has for it."""

    def __init__(self, accounts: Accounts, audit: Audit, url: str) -> None:
        self.url = url
        self._accounts = accounts
        self._audit = audit

    def add(self, login: str, role: Role, password: str) -> PersonAddedOut:
        """Make an account."""
        added = self._accounts.add(login, role, password)
        self._keep("add_user", login=login, role=role)
        return PersonAddedOut(login=added.login, role=added.role)

    def all(self) -> list[Annotator]:
        """Everybody, in the order they were added."""
        return self._accounts.people.all()

    def by_login(self, login: str) -> Annotator:
        """One of them, whatever the case of the letters."""
        return self._accounts.people.by_login(login)

    def invite(self, role: Role, days: int) -> NewInviteOut:
        """An invite by which one new person can make an account."""
        token, invite = self._accounts.make_invite(role, valid_ms=days * DAY_MS)
        self._keep("make_invite", role=role, days=days)
        return NewInviteOut(token=token, path=f"/join/?token={token}", invite=invite)

    def invites(self) -> list[Invite]:
        """All invites, newest first, those too that are spent or expired."""
        return self._accounts.invites.all()

    def withdraw(self, invite_id: int) -> None:
        """Make an invite's link worthless."""
        self._accounts.invites.withdraw(invite_id)
        self._keep("withdraw_invite", invite_id=invite_id)

    def link(self, login: str, days: int) -> LinkOut:
        """A link that signs a person in once."""
        person_id = self._id(login)
        token = self._accounts.make_link(person_id, valid_ms=days * DAY_MS)
        self._keep("link", person_id=person_id, days=days)
        return LinkOut(token=token, path=f"/auth/link?token={token}")

    def set_password(self, login: str, password: str) -> None:
        """Replace a password and end all ways in that came of the old one."""
        person_id = self._id(login)
        self._accounts.set_password(person_id, password)
        self._keep("password", person_id=person_id)

    def disable(self, login: str) -> Annotator:
        """Keep a person out."""
        person = self._accounts.people.disable(self._id(login))
        self._keep("disable", person_id=person.id)
        return person

    def enable(self, login: str) -> Annotator:
        """Let a person in again."""
        person = self._accounts.people.enable(self._id(login))
        self._keep("enable", person_id=person.id)
        return person

    def set_role(self, login: str, role: Role) -> Annotator:
        """Say what a person may do from now on."""
        person = self._accounts.people.set_role(self._id(login), role)
        self._keep("role", person_id=person.id, role=role)
        return person

    def sign_out(self, login: str) -> EndedOut:
        """End all of a person's sessions; how many there were."""
        person_id = self._id(login)
        ended = self._accounts.sessions.end_all(person_id)
        self._keep("sign_out", person_id=person_id)
        return EndedOut(ended=ended)

    def _id(self, login: str) -> int:
        return self.by_login(login).id

    def _keep(self, act: str, **detail: str | int) -> None:
        self._audit.add(None, AuditAct(act), detail)


class ServedRoster:
    """The roster of a running server, over its API."""

    def __init__(self, server: Client) -> None:
        self.url = server.url
        self._server = server

    def add(self, login: str, role: Role, password: str) -> PersonAddedOut:
        """Make an account."""
        return PersonAddedOut.model_validate(self._server.post("/users", login=login, password=password, role=role))

    def all(self) -> list[Annotator]:
        """Everybody, in the order they were added."""
        rows: list[dict[str, Any]] = self._server.get("/people")
        return [_annotator(row) for row in rows]

    def by_login(self, login: str) -> Annotator:
        """One of them, whatever the case of the letters."""
        found = [person for person in self.all() if person.login.lower() == login.lower()]
        if not found:
            raise NotFoundError(
                "Nobody has the login '{login}'. See who there is with `prefloop user list`.", login=login
            )
        return found[0]

    def invite(self, role: Role, days: int) -> NewInviteOut:
        """An invite by which one new person can make an account."""
        return NewInviteOut.model_validate(self._server.post("/people/invites", role=role, days=days))

    def invites(self) -> list[Invite]:
        """All invites, newest first, those too that are spent or expired."""
        rows: list[dict[str, Any]] = self._server.get("/people/invites")
        return [Invite(**{**row, "role": Role(row["role"])}) for row in rows]

    def withdraw(self, invite_id: int) -> None:
        """Make an invite's link worthless."""
        self._server.delete(f"/people/invites/{invite_id}")

    def link(self, login: str, days: int) -> LinkOut:
        """A link that signs a person in once."""
        return LinkOut.model_validate(self._post(login, "link", days=days))

    def set_password(self, login: str, password: str) -> None:
        """Replace a password and end all ways in that came of the old one."""
        self._post(login, "password", password=password)

    def disable(self, login: str) -> Annotator:
        """Keep a person out."""
        return _annotator(self._post(login, "disable"))

    def enable(self, login: str) -> Annotator:
        """Let a person in again."""
        return _annotator(self._post(login, "enable"))

    def set_role(self, login: str, role: Role) -> Annotator:
        """Say what a person may do from now on."""
        return _annotator(self._post(login, "role", role=role))

    def sign_out(self, login: str) -> EndedOut:
        """End all of a person's sessions; how many there were."""
        return EndedOut.model_validate(self._post(login, "sign-out"))

    def _post(self, login: str, act: str, **body: object) -> dict[str, Any]:
        answer: dict[str, Any] = self._server.post(f"/people/{self.by_login(login).id}/{act}", **body)
        return answer


def _annotator(row: dict[str, Any]) -> Annotator:
    return Annotator(**{**row, "role": Role(row["role"])})
