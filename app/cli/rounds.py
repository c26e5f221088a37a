"""The commands `prefloop round ...` that start, stop and list: what a round would use, and rounds of a running server.

Heavy imports wait until a command needs them. Knows no rules of its own.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from app.cli.options import HOME, AsJson, HomePath, RoundId
from app.cli.output import answer
from app.cli.server import server_of
from app.rounds.algorithms import Algorithm
from data.errors import RoundError

rounds = typer.Typer(no_args_is_help=True, help="Training rounds.")


@rounds.command("preview")
def preview(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Show what a round would use now, without starting one."""
    with server_of(home) as server:
        found = server.get("/rounds/preview")
    answer(found, _preview, as_json=as_json)


@rounds.command("start")
def start(
    home: HomePath = HOME,
    algorithm: Annotated[Algorithm | None, typer.Option(help="The configured one by default.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it is over; exit status 2 unless it succeeded.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start a round on the current judgments; it is queued while another runs."""
    from app.client.rounds import begun, ended, newest_round

    with server_of(home) as server:
        newest = newest_round(server)
        found = server.post("/rounds", algorithm=algorithm.value if algorithm else None)
        queued = found["id"] is None
        if wait:
            found = ended(server, begun(server, after=newest) if queued else found["id"])
        elif not queued:
            found = server.get(f"/rounds/{found['id']}")
    answer({"queued": queued and not wait, **found}, _started, as_json=as_json)
    if wait and found["state"] in ("failed", "cancelled"):
        raise RoundError(f"round {found['id']} {found['state']}: {found['reason']}")


@rounds.command("list")
def list_rounds(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """List the rounds, newest first."""
    with server_of(home) as server:
        found = server.get("/rounds")
    answer(found, lambda entries: map(_line, entries), as_json=as_json)


@rounds.command("cancel")
def cancel(number: RoundId, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Cancel a round that trains."""
    with server_of(home) as server:
        found = server.post(f"/rounds/{number}/cancel")
    answer(found, f"Round {number} is being cancelled.", as_json=as_json)


@rounds.command("resume")
def resume(number: RoundId, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Resume a failed or cancelled round from its last checkpoint."""
    with server_of(home) as server:
        found = server.post(f"/rounds/{number}/resume")
    answer(found, f"Round {number} goes on.", as_json=as_json)


@rounds.command("rebuild")
def rebuild(
    home: HomePath = HOME,
    without_annotator: Annotated[list[str] | None, typer.Option(help="A pseudonym; may be repeated.")] = None,
    without_source: Annotated[list[str] | None, typer.Option(help="A source of prompts; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the affected rounds.")] = False,
    as_json: AsJson = False,
) -> None:
    """Retrain rounds without an annotator's judgments, as new versions that await a decision."""
    left_out = {"annotators": without_annotator or [], "sources": without_source or []}
    with server_of(home) as server:
        found = server.get("/rebuilds/plan", **left_out) if dry_run else server.post("/rebuilds", **left_out)
    numbers = ", ".join(map(str, found["rounds"])) or "none"
    words = "Rounds to be rebuilt" if dry_run else "Being rebuilt, one after the other"
    answer(found, f"{words}: {numbers}.", as_json=as_json)


@rounds.command("withdraw")
def withdraw(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Cancel the queued round."""
    with server_of(home) as server:
        server.delete("/rounds/waiting")
        found = server.get("/rounds/preview")
    answer(found, "No round waits any more.", as_json=as_json)


def _preview(found: dict[str, Any]) -> Iterator[str]:
    pairs = f"{found['train']} pairs to train on, {found['heldout']} held out"
    yield f"{pairs}, {found['both_bad']} of two bad answers"
    for reason, judgments in found["excluded"].items():
        yield f"{judgments} judgments left out: {reason}"
    yield f"sha256 {found['sha256']}"
    yield found["trouble"] or found["waits"]["words"].format(**found["waits"]["values"])
    if found["waiting"]:
        yield "Another one waits for the round under way to end."


def _started(found: dict[str, Any]) -> Iterator[str]:
    if found["queued"]:
        yield "It starts when the round under way has ended; `prefloop round withdraw` takes it back."
    else:
        yield _line(found)


def _line(entry: dict[str, Any]) -> str:
    reason = f": {entry['reason']}" if entry["reason"] else ""
    return f"round {entry['id']} ({entry['cause']}) {entry['state']}{reason}"
