"""The commands `prefloop round show | report | log`: what rounds of a running server left behind. Changes nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import HOME, AsJson, HomePath, RoundId
from app.cli.output import answer, columns, moment, percent
from app.cli.server import server_of
from data.errors import InputError

if TYPE_CHECKING:
    from app.client.client import Client

round_records = typer.Typer()


@round_records.command("show")
def show(number: RoundId, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Show a round with its progress, and its measures once it has a report."""
    with server_of(home) as server:
        found = {**server.get(f"/rounds/{number}"), "record": server.get(f"/rounds/{number}/record")}
    answer(found, _round, as_json=as_json)


@round_records.command("report")
def report(
    number: RoundId,
    out: Annotated[Path | None, typer.Option(help="File to write it to, instead of the terminal.")] = None,
    home: HomePath = HOME,
    as_json: AsJson = False,
) -> None:
    """Print a round's report in Markdown: its data, results and decision."""
    with server_of(home) as server:
        text = server.text(f"/rounds/{number}/report.md")
        found = {
            "round": number,
            "out": None if out is None else str(out),
            "report": _reported(server, number),
            "markdown": text,
        }
    if out is not None:
        _write(out, text)
    answer(found, text.rstrip("\n") if out is None else f"The report of round {number} is in {out}", as_json=as_json)


@round_records.command("log")
def log(number: RoundId, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Print a round's trainer log so far."""
    with server_of(home) as server:
        found = _whole_log(server, number)
    answer(found, found["text"].rstrip("\n"), as_json=as_json)


def _reported(server: "Client", number: int) -> dict[str, Any] | None:
    """The report's words and values, None for a round whose training has not ended, or not well."""
    if not server.get(f"/rounds/{number}/record")["reported"]:
        return None
    return dict(server.get(f"/rounds/{number}/report"))


def _whole_log(server: "Client", number: int) -> dict[str, Any]:
    """The log as the API has a part of it, all parts in one."""
    part = server.get(f"/rounds/{number}/log", after=0)
    texts = [part["text"]]
    while part["next"] < part["size"] and part["text"]:
        part = server.get(f"/rounds/{number}/log", after=part["next"])
        texts.append(part["text"])
    return {**part, "text": "".join(texts), "start": 0}


def _write(out: Path, text: str) -> None:
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}; name another file with --out") from error


def _round(found: dict[str, Any]) -> Iterator[str]:
    record = found["record"]
    reason = f": {found['reason']}" if found["reason"] else ""
    yield f"round {found['id']} ({found['cause']}) {found['state']}{reason}"
    yield from columns(_facts(record))
    if found["report"] is not None:
        yield f"`prefloop round report {found['id']}` prints the whole report."


def _facts(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "started", f"{moment(record['created_at'])} by {record['started_by'] or 'prefloop'}"
    yield "ended", moment(record["ended_at"])
    yield "algorithm", record["algorithm"] or "–"
    yield (
        "pairs",
        f"{record['train']} to train on, {record['heldout']} held out, {record['both_bad']} of two bad answers",
    )
    for reason, judgments in record["excluded"].items():
        yield "left out", f"{judgments} judgments: {reason}"
    if record["phase"]:
        left = "" if record["seconds_left"] is None else f", {record['seconds_left']:.0f} s left"
        yield "trainer", f"{record['phase']}, step {record['step']} of {record['steps']}{left}"
    yield "accuracy on held-out pairs", percent(record["accuracy"])
    yield "version", record["version"] or "–"
