"""The commands `prefloop user ...`: accounts and invites, on a home with a running server or without.

Heavy imports wait until a command needs them. Knows no rules of its own.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import HOME, AsJson, HomePath
from app.cli.output import answer, columns, moment
from app.cli.server import client_of, store_of
from data.errors import NotFoundError
from data.records import Role

if TYPE_CHECKING:
    from app.client.client import Client

_MOST_DAYS = 366

PasswordOption = Annotated[str, typer.Option(prompt=True, confirmation_prompt=True, hide_input=True)]
DaysOption = Annotated[int, typer.Option(min=1, max=_MOST_DAYS, help="Expires after so many days if it is not used.")]
NewRole = Annotated[Role, typer.Option(help="What the person may do.")]
InviteId = Annotated[int, typer.Argument(help="The invite's number.")]
WhyOption = Annotated[str, typer.Option(help="Reason (kept in the audit log).")]

users = typer.Typer(no_args_is_help=True, help="Accounts and invites.")


@users.command("add")
def add(
    login: str,
    home: HomePath = HOME,
    role: NewRole = Role.ANNOTATOR,
    password: PasswordOption = "",
    as_json: AsJson = False,
) -> None:
    """Create an account."""
    with client_of(home, make=True) as client:
        added = client.post("/users", login=login, password=password, role=role)
    answer(added, f"Added {added['login']} ({added['role']}).", as_json=as_json)


@users.command("list")
def list_people(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """List everybody: login, role, pseudonym."""
    with client_of(home) as client:
        everybody = client.get("/people")
    answer(everybody, _lines, as_json=as_json)


@users.command("invite")
def invite(
    home: HomePath = HOME, role: NewRole = Role.ANNOTATOR, days: DaysOption = 7, as_json: AsJson = False
) -> None:
    """Print a link with which one new person can create an account."""
    with client_of(home) as client:
        made = client.post("/people/invites", role=role, days=days)
    _show_link(client.url, made, as_json=as_json)


@users.command("invites")
def invites(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """List the invites, newest first, and who joined by them."""
    with client_of(home) as client:
        found = client.get("/people/invites")
        logins = {person["id"]: person["login"] for person in client.get("/people")}
    answer(found, lambda invites: _invites(invites, logins), as_json=as_json)


@users.command("withdraw")
def withdraw(number: InviteId, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Cancel an invite, by its number in `prefloop user invites`."""
    with client_of(home) as client:
        client.delete(f"/people/invites/{number}")
    answer({"withdrawn": number}, f"Invite {number} is withdrawn: its link leads nowhere.", as_json=as_json)


@users.command("link")
def link(login: str, home: HomePath = HOME, days: DaysOption = 1, as_json: AsJson = False) -> None:
    """Print a link that signs a person in once."""
    with client_of(home) as client:
        made = _post(client, login, "link", days=days)
    _show_link(client.url, made, as_json=as_json)


@users.command("password")
def password(login: str, home: HomePath = HOME, password: PasswordOption = "", as_json: AsJson = False) -> None:
    """Set a person's password; their sessions, API tokens and links end."""
    with client_of(home) as client:
        _post(client, login, "password", password=password)
        person = _by_login(client, login)
    answer(person, f"{login} has a new password and is signed out everywhere.", as_json=as_json)


@users.command("disable")
def disable(login: str, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Disable an account; the person's judgments are kept."""
    with client_of(home) as client:
        person = _post(client, login, "disable")
    answer(person, f"{login} is disabled and signed out everywhere.", as_json=as_json)


@users.command("enable")
def enable(login: str, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Enable a disabled account."""
    with client_of(home) as client:
        person = _post(client, login, "enable")
    answer(person, f"{login} may sign in.", as_json=as_json)


@users.command("role")
def role(login: str, role: Role, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Set a person's role: admin or annotator."""
    with client_of(home) as client:
        person = _post(client, login, "role", role=role)
    answer(person, f"{login} is now: {role}.", as_json=as_json)


@users.command("sign-out")
def sign_out(login: str, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """End all sessions of a person, API tokens too."""
    with client_of(home) as client:
        ended = _post(client, login, "sign-out")
    answer(ended, f"Sessions of {login} that were ended: {ended['ended']}.", as_json=as_json)


@users.command("quarantine")
def quarantine(login: str, reason: WhyOption, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Leave a person's judgments out of rounds from now on. They are kept, and the person is not told."""
    with store_of(home) as client:
        found = _post(client, login, "quarantine", reason=reason)
    used = ", ".join(str(use["round"]) for use in found["rounds"])
    before = f"These rounds had used the judgments and keep them: {used}." if used else "No round had used them."
    answer(found, f"{login} is in quarantine. {before}", as_json=as_json)


@users.command("release")
def release(login: str, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """End a quarantine: all of the person's judgments count again."""
    with store_of(home) as client:
        person = _by_login(client, login)
        client.post(f"/people/{person['id']}/quarantine/lift")
    answer(person, f"The judgments of {login} count again.", as_json=as_json)


def _lines(everybody: list[dict[str, Any]]) -> Iterator[str]:
    width = max((len(person["login"]) for person in everybody), default=0)
    for person in everybody:
        state = "" if person["disabled_at"] is None else "  disabled"
        yield f"{person['login']:{width}}  {person['role']:9}  {person['pseudonym']}{state}"


def _invites(found: list[dict[str, Any]], logins: Mapping[int, str]) -> Iterator[str]:
    rows = [
        (
            one["id"],
            one["role"],
            moment(one["created_at"]),
            moment(one["expires_at"]),
            logins.get(one["spent_by"] or 0, ""),
        )
        for one in found
    ]
    yield from columns(rows, head=("invite", "role", "made", "good until", "joined"))


def _show_link(address: str, made: dict[str, Any], *, as_json: bool) -> None:
    """A link at the address that this machine knows."""
    url = f"{address}{made['path']}"
    answer({**made, "url": url}, url, as_json=as_json)


def _post(client: "Client", login: str, act: str, **body: object) -> dict[str, Any]:
    """Do something to a person; what the API answers."""
    answered: dict[str, Any] = client.post(f"/people/{_by_login(client, login)['id']}/{act}", **body)
    return answered


def _by_login(client: "Client", login: str) -> dict[str, Any]:
    """A person, whatever the case of the letters. Raises NotFoundError."""
    found = [person for person in client.get("/people") if person["login"].lower() == login.lower()]
    if not found:
        raise NotFoundError("Nobody has the login '{login}'. See who there is with `prefloop user list`.", login=login)
    return dict(found[0])
