"""The commands `prefloop lineage ...`: what an answer rests on, and what rests on a person.

Heavy imports wait until a command needs them. Knows no rules of its own.
"""

from collections.abc import Iterator
from typing import Any

import typer

from app.cli.options import HOME, AsJson, HomePath
from app.cli.output import answer, moment
from app.home import Home

lineage = typer.Typer(no_args_is_help=True, help="What an answer rests on, and what rests on a person.")


@lineage.command("answer")
def of_answer(number: int, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """From an answer back to its version, the rounds behind that, and the people behind these."""
    from app.client.lineage import lineages

    with lineages(Home(home)) as known:
        found = known.answer(number)
        origins = known.origins(found["version"]) if found["version"] else []
    answer({"answer": found, "origins": origins}, _answered, as_json=as_json)


@lineage.command("version")
def of_version(name: str, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """From a version back to the base, with the rounds and people behind each."""
    from app.client.lineage import lineages

    with lineages(Home(home)) as known:
        origins = known.origins(name)
    answer(origins, _origins, as_json=as_json)


@lineage.command("annotator")
def of_annotator(pseudonym: str, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """From a person to the rounds that used his judgments, and when versions served that rest on them."""
    from app.client.lineage import lineages

    with lineages(Home(home)) as known:
        touches = known.touched(pseudonym)
    answer(touches, _touches, as_json=as_json)


def _answered(found: dict[str, Any]) -> Iterator[str]:
    made = found["answer"]
    yield f"answer {made['id']}, {_made(made)} on {moment(made['created_at'])}"
    yield from _origins(found["origins"])


def _origins(origins: list[dict[str, Any]]) -> Iterator[str]:
    for origin in origins:
        if origin["round"] is None:
            yield str(origin["version"])
            continue
        digest = f", sha256 {origin['sha256'][:12]}" if origin["sha256"] else ""
        yield f"{origin['version']}: round {origin['round']}, {origin['judgments']} judgments{digest}"
        for person in origin["people"]:
            yield f"  {person['judgments']:6} by {person['pseudonym']}"
        yield from _servings(origin["servings"])


def _touches(touches: list[dict[str, Any]]) -> Iterator[str]:
    for touch in touches:
        made = ", ".join(touch["versions"]) or "no version"
        yield f"round {touch['round']}: {touch['judgments']} of {touch['of']} judgments; {made}"
        yield from _servings(touch["servings"])
    if not touches:
        yield "No round has used a judgment of this annotator."


def _servings(servings: list[dict[str, Any]]) -> Iterator[str]:
    for serving in servings:
        until = "now" if serving["until"] is None else moment(serving["until"])
        yield f"  {serving['version']} served from {moment(serving['since'])} to {until}"


def _made(answer: dict[str, Any]) -> str:
    if answer["version"]:
        return f"sampled from {answer['version']}"
    if answer["file"]:
        model = f" of {answer['model']}" if answer["model"] else ""
        return f"imported{model} from {answer['file']}"
    return f"written by {answer['author']}"
