"""The commands `prefloop round ...`: what a round would use, and rounds of a running server.

Heavy imports wait until a command needs them. Knows no rules of its own.
"""

import time
from typing import Annotated, Any

import typer

from app.algorithms import Algorithm
from app.cli_server import server_of, show_json
from app.options import HOME, HomePath
from data.errors import RoundError

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
RoundId = Annotated[int, typer.Argument(help="The round's number.")]

_RUNNING = ("queued", "training", "swapping")
_LOOK_SECONDS = 1.0

rounds = typer.Typer(no_args_is_help=True, help="Rounds of training.")


@rounds.command("preview")
def preview(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Say what a round would use now, and start none."""
    with server_of(home) as server:
        found = server.get("/rounds/preview")
    if as_json:
        show_json(found)
        return
    pairs = f"{found['train']} pairs to train on, {found['heldout']} held out"
    typer.echo(f"{pairs}, {found['both_bad']} of two bad answers")
    for reason, judgments in found["excluded"].items():
        typer.echo(f"{judgments} judgments left out: {reason}")
    typer.echo(f"sha256 {found['sha256']}")
    typer.echo(found["trouble"] or found["waits"]["words"].format(**found["waits"]["values"]))
    if found["waiting"]:
        typer.echo("Another one waits for the round under way to end.")


@rounds.command("start")
def start(
    home: HomePath = HOME,
    algorithm: Annotated[Algorithm | None, typer.Option(help="The configured one by default.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is over; exit status 2 unless it went well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Freeze what has been judged and train on it."""
    with server_of(home) as server:
        number = server.post("/rounds", algorithm=algorithm.value if algorithm else None)["id"]
        if number is None:
            typer.echo("It starts when the round under way has ended; `prefloop round withdraw` takes it back.")
            return
        while wait and server.get(f"/rounds/{number}")["state"] in _RUNNING:
            time.sleep(_LOOK_SECONDS)
        found = server.get(f"/rounds/{number}")
    if as_json:
        show_json(found)
    else:
        typer.echo(_line(found))
    if wait and found["state"] in ("failed", "cancelled"):
        raise RoundError(f"round {number} {found['state']}: {found['reason']}")


@rounds.command("list")
def list_rounds(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """All rounds, newest first."""
    with server_of(home) as server:
        found = server.get("/rounds")
    if as_json:
        show_json(found)
        return
    for entry in found:
        typer.echo(_line(entry))


@rounds.command("show")
def show(number: RoundId, home: HomePath = HOME) -> None:
    """A round with its progress, and its report once it has one, as JSON."""
    with server_of(home) as server:
        show_json(server.get(f"/rounds/{number}"))


@rounds.command("cancel")
def cancel(number: RoundId, home: HomePath = HOME) -> None:
    """Stop a round that trains."""
    with server_of(home) as server:
        server.post(f"/rounds/{number}/cancel")
    typer.echo(f"Round {number} is being cancelled.")


@rounds.command("resume")
def resume(number: RoundId, home: HomePath = HOME) -> None:
    """Let a round that failed or was cancelled go on from its last checkpoint."""
    with server_of(home) as server:
        server.post(f"/rounds/{number}/resume")
    typer.echo(f"Round {number} goes on.")


@rounds.command("rebuild")
def rebuild(
    home: HomePath = HOME,
    without_annotator: Annotated[list[str] | None, typer.Option(help="A pseudonym; may be given often.")] = None,
    without_source: Annotated[list[str] | None, typer.Option(help="Where prompts came from.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which rounds that means.")] = False,
) -> None:
    """Train rounds again without somebody's judgments, as new versions that wait to be decided on."""
    left_out = {"annotators": without_annotator or [], "sources": without_source or []}
    with server_of(home) as server:
        answer = server.get("/rebuilds/plan", **left_out) if dry_run else server.post("/rebuilds", **left_out)
        numbers = answer["rounds"]
    if dry_run:
        typer.echo(f"Rounds to be rebuilt: {', '.join(map(str, numbers)) or 'none'}.")
    else:
        typer.echo(f"Being rebuilt, one after the other: {', '.join(map(str, numbers))}.")


@rounds.command("withdraw")
def withdraw(home: HomePath = HOME) -> None:
    """Forget the round that waits for another to end."""
    with server_of(home) as server:
        server.delete("/rounds/waiting")
    typer.echo("No round waits any more.")


def _line(entry: dict[str, Any]) -> str:
    reason = f": {entry['reason']}" if entry["reason"] else ""
    return f"round {entry['id']} ({entry['cause']}) {entry['state']}{reason}"
