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

rounds = typer.Typer(no_args_is_help=True, help="Rounds of training.")


@rounds.command("preview")
def preview(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Say what a round would use now, and start none."""
    with server_of(home) as server:
        found = server.get("/rounds/preview")
    answer(found, _preview, as_json=as_json)


@rounds.command("start")
def start(
    home: HomePath = HOME,
    algorithm: Annotated[Algorithm | None, typer.Option(help="The configured one by default.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is over; exit status 2 unless it went well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Freeze what has been judged and train on it; while another round is under way, wait in line behind that."""
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
    """All rounds, newest first."""
    with server_of(home) as server:
        found = server.get("/rounds")
    answer(found, lambda entries: map(_line, entries), as_json=as_json)


@rounds.command("cancel")
def cancel(number: RoundId, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Stop a round that trains."""
    with server_of(home) as server:
        found = server.post(f"/rounds/{number}/cancel")
    answer(found, f"Round {number} is being cancelled.", as_json=as_json)


@rounds.command("resume")
def resume(number: RoundId, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Let a round that failed or was cancelled go on from its last checkpoint."""
    with server_of(home) as server:
        found = server.post(f"/rounds/{number}/resume")
    answer(found, f"Round {number} goes on.", as_json=as_json)


@rounds.command("rebuild")
def rebuild(
    home: HomePath = HOME,
    without_annotator: Annotated[list[str] | None, typer.Option(help="A pseudonym; may be given often.")] = None,
    without_source: Annotated[list[str] | None, typer.Option(help="Where prompts came from.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which rounds that means.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train rounds again without somebody's judgments, as new versions that wait to be decided on."""
    left_out = {"annotators": without_annotator or [], "sources": without_source or []}
    with server_of(home) as server:
        found = server.get("/rebuilds/plan", **left_out) if dry_run else server.post("/rebuilds", **left_out)
    numbers = ", ".join(map(str, found["rounds"])) or "none"
    words = "Rounds to be rebuilt" if dry_run else "Being rebuilt, one after the other"
    answer(found, f"{words}: {numbers}.", as_json=as_json)


@rounds.command("withdraw")
def withdraw(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Forget the round that waits for another to end."""
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
