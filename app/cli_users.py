"""The commands `prefloop user ...`: accounts and invites, on a home with a running server or without.

Heavy imports wait until a command needs them. Knows no rules of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from app.home import Home
from app.options import HOME, HomePath
from data.records import Role

if TYPE_CHECKING:
    from app.roster import Roster

_MOST_DAYS = 366

Password = Annotated[str, typer.Option(prompt=True, confirmation_prompt=True, hide_input=True)]
Days = Annotated[int, typer.Option(min=1, max=_MOST_DAYS, help="How long it is good for, if it is not used.")]
NewRole = Annotated[Role, typer.Option(help="What the person may do.")]

users = typer.Typer(no_args_is_help=True, help="Accounts and invites.")


@users.command("add")
def add(login: str, home: HomePath = HOME, role: NewRole = Role.ANNOTATOR, password: Password = "") -> None:
    """Make an account."""
    with _roster(Home(home), make=True) as roster:
        roster.add(login, role, password)
    typer.echo(f"Added {login} ({role}).")


@users.command("list")
def list_people(home: HomePath = HOME) -> None:
    """Everybody: login, role, pseudonym."""
    with _roster(Home(home)) as roster:
        everybody = roster.all()
    width = max((len(person.login) for person in everybody), default=0)
    for person in everybody:
        state = "" if person.disabled_at is None else "  disabled"
        typer.echo(f"{person.login:{width}}  {person.role:9}  {person.pseudonym}{state}")


@users.command("invite")
def invite(home: HomePath = HOME, role: NewRole = Role.ANNOTATOR, days: Days = 7) -> None:
    """Print a link by which one new person can make an account."""
    with _roster(Home(home)) as roster:
        typer.echo(f"{roster.url}{roster.invite(role, days)}")


@users.command("link")
def link(login: str, home: HomePath = HOME, days: Days = 1) -> None:
    """Print a link that signs a person in once."""
    with _roster(Home(home)) as roster:
        typer.echo(f"{roster.url}{roster.link(login, days)}")


@users.command("password")
def password(login: str, home: HomePath = HOME, password: Password = "") -> None:
    """Give a person a new password; their sessions, API tokens and links end."""
    with _roster(Home(home)) as roster:
        roster.set_password(login, password)
    typer.echo(f"{login} has a new password and is signed out everywhere.")


@users.command("disable")
def disable(login: str, home: HomePath = HOME) -> None:
    """Keep a person out; what they judged stays."""
    with _roster(Home(home)) as roster:
        roster.disable(login)
    typer.echo(f"{login} is disabled and signed out everywhere.")


@users.command("enable")
def enable(login: str, home: HomePath = HOME) -> None:
    """Let a disabled person in again."""
    with _roster(Home(home)) as roster:
        roster.enable(login)
    typer.echo(f"{login} may sign in.")


@users.command("role")
def role(login: str, role: Role, home: HomePath = HOME) -> None:
    """Make a person an admin or an annotator."""
    with _roster(Home(home)) as roster:
        roster.set_role(login, role)
    typer.echo(f"{login} is now: {role}.")


@users.command("sign-out")
def sign_out(login: str, home: HomePath = HOME) -> None:
    """End all sessions of a person, API tokens too."""
    with _roster(Home(home)) as roster:
        ended = roster.sign_out(login)
    typer.echo(f"Sessions of {login} that were ended: {ended}.")


@contextmanager
def _roster(home: Home, *, make: bool = False) -> Iterator["Roster"]:
    """The roster of the server that runs on a home, or else of the home; `make` makes a home that is not there."""
    from app.offline import roster as stored_roster
    from app.remote import running_server
    from app.roster import ServedRoster

    server = running_server(home)
    if server:
        with server:
            yield ServedRoster(server)
    else:
        with stored_roster(home, make=make) as stored:
            yield stored
