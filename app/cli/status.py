"""The commands `prefloop status | settings | trial | ranking | audit`: how a running server stands. Knows no rules.

The audit needs no server.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from app.cli.options import HOME, AsJson, HomePath
from app.cli.output import answer, columns, moment
from app.cli.server import server_of, store_of

_MOST_ACTS = 1000

look = typer.Typer()


@look.command("status")
def status(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Show the status of the loop: what serves and trains, what the next round waits for, what needs attention."""
    with server_of(home) as server:
        found = {**server.get("/overview"), "next_round": server.get("/rounds/preview")}
    answer(found, _status, as_json=as_json)


@look.command("settings")
def settings(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Show the settings in effect, and where each comes from."""
    with server_of(home) as server:
        found = server.get("/settings")
    answer(found, lambda all: [f"{one['key']} = {one['value']}  ({one['source']})" for one in all], as_json=as_json)


@look.command("trial")
def trial(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Show the votes of the A/B trial, or between the serving version and the one before it."""
    with server_of(home) as server:
        found = server.get("/trial")
    answer(found, _trial, as_json=as_json)


@look.command("ranking")
def ranking(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Rank all versions by all votes (Bradley-Terry), in Elo points above the base."""
    with server_of(home) as server:
        found = server.get("/ladder")
    answer(found, _ranking, as_json=as_json)


@look.command("ladder", hidden=True)
def ladder(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """The name that `ranking` had; it goes with the next release."""
    typer.echo("prefloop: `ladder` is called `ranking` now, and this name goes with the next release", err=True)
    ranking(home, as_json)


@look.command("audit")
def audit(
    home: HomePath = HOME,
    limit: Annotated[int, typer.Option(min=1, max=_MOST_ACTS, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show the audit log, newest first."""
    with store_of(home) as client:
        found = client.get("/audit", limit=limit)
    answer(found, _acts, as_json=as_json)


def _status(found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['champion']} serves; {found['ready']} of {found['wanted']} pairs are ready"
    yield f"decoding: {found['decoding']}"
    yield from _sampling(found)
    if found["rounds"]:
        newest = found["rounds"][-1]
        yield f"round {newest['id']} {newest['state']}"
    waits = found["next_round"]["waits"]
    yield waits["words"].format(**waits["values"])
    for version in found["waiting"]:
        yield f"{version} is awaiting a decision"
    for version in found["on_trial"]:
        yield f"{version} is in trial"
    for trouble in ("trouble", "trial_trouble", "match_trouble", "trigger_trouble"):
        if found[trouble]:
            yield f"trouble: {found[trouble]}"
    yield from found["notes"]


def _sampling(found: dict[str, Any]) -> Iterator[str]:
    """What came of the tries, how long the answers are, and what is set aside."""
    tries, lengths, aside = found["tries"], found["lengths"], found["set_aside"]
    dropped = "".join(f", {count} dropped for {why}" for why, count in tries["dropped"].items())
    yield f"{tries['count']} tries since the server started: {tries['pairs']} pairs{dropped}"
    if lengths:
        yield (
            f"answers: median {lengths['median']:g} tokens, 90 % have at most {lengths['p90']}; "
            f"{lengths['cut_off']:.0%} of {lengths['answers']} were cut off"
        )
    if aside["count"]:
        yield f"{aside['count']} prompts are set aside:"
        yield from (f"  prompt {one['id']} ({one['reason']}): {one['words']}" for one in aside["prompts"])
        if aside["count"] > len(aside["prompts"]):
            yield f"  and {aside['count'] - len(aside['prompts'])} more"


def _trial(found: dict[str, Any] | None) -> Iterator[str]:
    if found is None:
        yield "No two versions are compared."
        return
    votes = f"{found['wins']} to {found['losses']}, {found['undecided']} for neither"
    yield f"{found['challenger']} against {found['champion']}: {votes}"
    yield f"e-values: better {found['better']:.2f}, worse {found['worse']:.2f}; {found['threshold']:g} settles it"


def _ranking(rungs: list[dict[str, Any]]) -> Iterator[str]:
    for rung in rungs:
        ends = "" if rung["elo"] is None else f" ({rung['low']:+.0f} to {rung['high']:+.0f})"
        points = "not comparable" if rung["elo"] is None else f"{rung['elo']:+.0f}{ends}"
        yield f"{rung['version']}: {points}, {rung['votes']} votes"


def _acts(acts: list[dict[str, Any]]) -> Iterator[str]:
    rows = [(moment(act["created_at"]), act["by"] or "–", act["action"], _detail(act["detail"])) for act in acts]
    yield from columns(rows, head=("when", "by", "act", "with"))


def _detail(detail: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in detail.items())
