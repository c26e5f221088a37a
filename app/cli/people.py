"""The commands `prefloop user ...`: accounts and invites, on a home with a running server or without.

Heavy imports wait until a command needs them. Knows no rules of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import HOME, AsJson, HomePath
from app.cli.output import answer, columns, moment
from app.cli.server import server_of
from app.home import Home
from data.records import Annotator, Role

if TYPE_CHECKING:
    from app.api.people import LinkOut
    from app.client.people import Roster
    from data.people.invites import Invite

_MOST_DAYS = 366

PasswordOption = Annotated[str, typer.Option(prompt=True, confirmation_prompt=True, hide_input=True)]
DaysOption = Annotated[int, typer.Option(min=1, max=_MOST_DAYS, help="How long it is good for, if it is not used.")]
NewRole = Annotated[Role, typer.Option(help="What the person may do.")]
InviteId = Annotated[int, typer.Argument(help="The invite's number.")]
WhyOption = Annotated[str, typer.Option(help="Why, for those who ask later.")]

users = typer.Typer(no_args_is_help=True, help="Accounts and invites.")


@users.command("add")
def add(
    login: str,
    home: HomePath = HOME,
    role: NewRole = Role.ANNOTATOR,
    password: PasswordOption = "",
    as_json: AsJson = False,
) -> None:
    """Make an account."""
    with _roster(Home(home), make=True) as roster:
        added = roster.add(login, role, password)
    answer(added, f"Added {added.login} ({added.role}).", as_json=as_json)


@users.command("list")
def list_people(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Everybody: login, role, pseudonym."""
    with _roster(Home(home)) as roster:
        everybody = roster.all()
    answer(everybody, _lines, as_json=as_json)


@users.command("invite")
def invite(
    home: HomePath = HOME, role: NewRole = Role.ANNOTATOR, days: DaysOption = 7, as_json: AsJson = False
) -> None:
    """Print a link by which one new person can make an account."""
    with _roster(Home(home)) as roster:
        _show_link(roster, roster.invite(role, days), as_json=as_json)


@users.command("invites")
def invites(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """All invites, newest first, and what became of them."""
    with _roster(Home(home)) as roster:
        found = roster.invites()
        logins = {person.id: person.login for person in roster.all()}
    answer(found, lambda invites: _invites(invites, logins), as_json=as_json)


@users.command("withdraw")
def withdraw(number: InviteId, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Make the link of an invite worthless, by its number in `prefloop user invites`."""
    with _roster(Home(home)) as roster:
        roster.withdraw(number)
    answer({"withdrawn": number}, f"Invite {number} is withdrawn: its link leads nowhere.", as_json=as_json)


@users.command("link")
def link(login: str, home: HomePath = HOME, days: DaysOption = 1, as_json: AsJson = False) -> None:
    """Print a link that signs a person in once."""
    with _roster(Home(home)) as roster:
        _show_link(roster, roster.link(login, days), as_json=as_json)


@users.command("password")
def password(login: str, home: HomePath = HOME, password: PasswordOption = "", as_json: AsJson = False) -> None:
    """Give a person a new password; their sessions, API tokens and links end."""
    with _roster(Home(home)) as roster:
        roster.set_password(login, password)
        person = roster.by_login(login)
    answer(person, f"{login} has a new password and is signed out everywhere.", as_json=as_json)


@users.command("disable")
def disable(login: str, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Keep a person out; what they judged stays."""
    with _roster(Home(home)) as roster:
        person = roster.disable(login)
    answer(person, f"{login} is disabled and signed out everywhere.", as_json=as_json)


@users.command("enable")
def enable(login: str, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Let a disabled person in again."""
    with _roster(Home(home)) as roster:
        person = roster.enable(login)
    answer(person, f"{login} may sign in.", as_json=as_json)


@users.command("role")
def role(login: str, role: Role, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Make a person an admin or an annotator."""
    with _roster(Home(home)) as roster:
        person = roster.set_role(login, role)
    answer(person, f"{login} is now: {role}.", as_json=as_json)


@users.command("sign-out")
def sign_out(login: str, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """End all sessions of a person, API tokens too."""
    with _roster(Home(home)) as roster:
        ended = roster.sign_out(login)
    answer(ended, f"Sessions of {login} that were ended: {ended.ended}.", as_json=as_json)


@users.command("quarantine")
def quarantine(login: str, reason: WhyOption, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Leave a person's judgments out of rounds from now on; they are kept, and the person is not told."""
    from app.client.people import ServedRoster

    with server_of(home) as server:
        person = ServedRoster(server).by_login(login)
        found = server.post(f"/people/{person.id}/quarantine", reason=reason)
    used = ", ".join(str(use["round"]) for use in found["rounds"])
    before = f"These rounds had used the judgments and keep them: {used}." if used else "No round had used them."
    answer(found, f"{login} is in quarantine. {before}", as_json=as_json)


@users.command("release")
def release(login: str, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """End a quarantine: all of the person's judgments count again."""
    from app.client.people import ServedRoster

    with server_of(home) as server:
        person = ServedRoster(server).by_login(login)
        server.post(f"/people/{person.id}/quarantine/lift")
    answer(person, f"The judgments of {login} count again.", as_json=as_json)


def _lines(everybody: Sequence[Annotator]) -> Iterator[str]:
    width = max((len(person.login) for person in everybody), default=0)
    for person in everybody:
        state = "" if person.disabled_at is None else "  disabled"
        yield f"{person.login:{width}}  {person.role:9}  {person.pseudonym}{state}"


def _invites(found: Sequence["Invite"], logins: Mapping[int, str]) -> Iterator[str]:
    rows = [
        (one.id, one.role, moment(one.created_at), moment(one.expires_at), logins.get(one.spent_by or 0, ""))
        for one in found
    ]
    yield from columns(rows, head=("invite", "role", "made", "good until", "joined"))


def _show_link(roster: "Roster", made: "LinkOut", *, as_json: bool) -> None:
    """A link with the address that this machine knows."""
    url = f"{roster.url}{made.path}"
    answer({**made.model_dump(), "url": url}, url, as_json=as_json)


@contextmanager
def _roster(home: Home, *, make: bool = False) -> Iterator["Roster"]:
    """The roster of the server that runs on a home, or else of the home; `make` makes a home that is not there."""
    from app.client.client import running_server
    from app.client.local import roster as stored_roster
    from app.client.people import ServedRoster

    server = running_server(home)
    if server:
        with server:
            yield ServedRoster(server)
    else:
        with stored_roster(home, make=make) as stored:
            yield stored
