"""The commands `prefloop lineage ...`: what an answer rests on, and what rests on a person. Knows no rules."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import typer

from app.cli.options import HOME, AsJson, HomePath
from app.cli.output import answer, moment
from app.cli.server import client_of

lineage = typer.Typer(
    no_args_is_help=True, help="Where an answer comes from, and what was trained on a person's judgments."
)


@lineage.command("answer")
def of_answer(number: int, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Trace an answer back to its version, the rounds behind that, and the people behind these."""
    with client_of(home) as client:
        found = client.get(f"/lineage/answers/{number}")
        origins = client.get(_of_version(found["version"])) if found["version"] else []
    answer({"answer": found, "origins": origins}, _answered, as_json=as_json)


@lineage.command("version")
def of_version(name: str, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Trace a version back to the base, with the rounds and people behind each."""
    with client_of(home) as client:
        origins = client.get(_of_version(name))
    answer(origins, _origins, as_json=as_json)


@lineage.command("annotator")
def of_annotator(pseudonym: str, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Trace a person forward to the rounds that used their judgments, and when versions trained on them served."""
    with client_of(home) as client:
        touches = client.get(f"/lineage/annotators/{quote(pseudonym, safe='')}")
    answer(touches, _touches, as_json=as_json)


def _of_version(name: str) -> str:
    return f"/lineage/versions/{quote(name, safe='')}"


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
