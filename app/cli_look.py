"""The commands `prefloop status | settings | trial | ladder`: how a running server stands. Knows no rules."""

from typing import Annotated

import typer

from app.cli_server import server_of, show_json
from app.options import HOME, HomePath

AsJson = Annotated[bool, typer.Option("--json", help="All that is known, as JSON.")]

look = typer.Typer()


@look.command("status")
def status(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """How the loop stands: what serves, what trains, what wants a look."""
    with server_of(home) as server:
        found = server.get("/overview")
        preview = server.get("/rounds/preview")
    if as_json:
        show_json(found)
        return
    typer.echo(f"{found['champion']} serves; {found['ready']} of {found['wanted']} pairs are ready")
    if found["rounds"]:
        newest = found["rounds"][-1]
        typer.echo(f"round {newest['id']} {newest['state']}")
    typer.echo(preview["waits"]["words"].format(**preview["waits"]["values"]))
    for version in found["waiting"]:
        typer.echo(f"{version} waits to be decided on")
    for version in found["on_trial"]:
        typer.echo(f"{version} is on trial")
    for trouble in ("trouble", "trial_trouble", "trigger_trouble"):
        if found[trouble]:
            typer.echo(f"trouble: {found[trouble]}")


@look.command("settings")
def settings(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """The settings in force, and where each comes from."""
    with server_of(home) as server:
        found = server.get("/settings")
    if as_json:
        show_json(found)
        return
    for one in found:
        typer.echo(f"{one['key']} = {one['value']}  ({one['source']})")


@look.command("trial")
def trial(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """The votes between the version on trial, or the one that serves, and the one it is compared with."""
    with server_of(home) as server:
        found = server.get("/trial")
    if as_json or found is None:
        show_json(found)
        return
    votes = f"{found['wins']} to {found['losses']}, {found['undecided']} for neither"
    typer.echo(f"{found['challenger']} against {found['champion']}: {votes}")
    typer.echo(f"e-values: better {found['better']:.2f}, worse {found['worse']:.2f}; {found['threshold']:g} settles it")


@look.command("ladder")
def ladder(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """All versions that were voted on, strongest first, in Elo points above the base."""
    with server_of(home) as server:
        found = server.get("/ladder")
    if as_json:
        show_json(found)
        return
    for rung in found:
        ends = "" if rung["elo"] is None else f" ({rung['low']:+.0f} to {rung['high']:+.0f})"
        points = "not comparable" if rung["elo"] is None else f"{rung['elo']:+.0f}{ends}"
        typer.echo(f"{rung['version']}: {points}, {rung['votes']} votes")
