"""The commands `prefloop lineage ...`: what an answer rests on, and what rests on a person.

Heavy imports wait until a command needs them. Knows no rules of its own.
"""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from app.home import Home
from app.options import HOME, HomePath

AsJson = Annotated[bool, typer.Option("--json", help="All that is known, as JSON.")]

lineage = typer.Typer(no_args_is_help=True, help="What an answer rests on, and what rests on a person.")


@lineage.command("answer")
def answer(number: int, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """From an answer back to its version, the rounds behind that, and the people behind these."""
    from app.lineages import lineages

    with lineages(Home(home)) as known:
        found = known.answer(number)
        origins = known.origins(found["version"]) if found["version"] else []
    if as_json:
        _show({"answer": found, "origins": origins})
        return
    typer.echo(f"answer {number}, {_made(found)} on {_day(found['created_at'])}")
    _origins(origins)


@lineage.command("version")
def version(name: str, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """From a version back to the base, with the rounds and people behind each."""
    from app.lineages import lineages

    with lineages(Home(home)) as known:
        origins = known.origins(name)
    if as_json:
        _show(origins)
    else:
        _origins(origins)


@lineage.command("annotator")
def annotator(pseudonym: str, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """From a person to the rounds that used his judgments, and when versions served that rest on them."""
    from app.lineages import lineages

    with lineages(Home(home)) as known:
        touches = known.touched(pseudonym)
    if as_json:
        _show(touches)
        return
    for touch in touches:
        made = ", ".join(touch["versions"]) or "no version"
        typer.echo(f"round {touch['round']}: {touch['judgments']} of {touch['of']} judgments; {made}")
        _servings(touch["servings"])
    if not touches:
        typer.echo("No round has used a judgment of this annotator.")


def _origins(origins: list[dict[str, Any]]) -> None:
    for origin in origins:
        if origin["round"] is None:
            typer.echo(origin["version"])
            continue
        digest = f", sha256 {origin['sha256'][:12]}" if origin["sha256"] else ""
        typer.echo(f"{origin['version']}: round {origin['round']}, {origin['judgments']} judgments{digest}")
        for person in origin["people"]:
            typer.echo(f"  {person['judgments']:6} by {person['pseudonym']}")
        _servings(origin["servings"])


def _servings(servings: list[dict[str, Any]]) -> None:
    for serving in servings:
        until = "now" if serving["until"] is None else _day(serving["until"])
        typer.echo(f"  {serving['version']} served from {_day(serving['since'])} to {until}")


def _day(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _show(found: object) -> None:
    typer.echo(json.dumps(found, ensure_ascii=False, indent=2))


def _made(answer: dict[str, Any]) -> str:
    if answer["version"]:
        return f"sampled from {answer['version']}"
    if answer["file"]:
        model = f" of {answer['model']}" if answer["model"] else ""
        return f"imported{model} from {answer['file']}"
    return f"written by {answer['author']}"
