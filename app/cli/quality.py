"""The commands `prefloop quality | flags`: how well people judge, and what they flagged. Knows no measure."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from app.cli.options import HOME, AsJson, HomePath
from app.cli.output import answer, columns, percent
from app.cli.server import store_of

_MOST_DAYS = 36_500
_MOST_FLAGS = 1000

quality = typer.Typer()


@quality.command("quality")
def show(
    days: Annotated[int | None, typer.Option(min=1, max=_MOST_DAYS, help="Only the last so many days.")] = None,
    home: HomePath = HOME,
    as_json: AsJson = False,
) -> None:
    """Show how far people agree, each person's measures, and whose judgments need a second look."""
    with store_of(home) as client:
        found = client.get("/quality") if days is None else client.get("/quality", days=days)
    answer(found, _quality, as_json=as_json)


@quality.command("flags")
def flags(
    limit: Annotated[int, typer.Option(min=1, max=_MOST_FLAGS, help="How many at most.")] = 100,
    home: HomePath = HOME,
    as_json: AsJson = False,
) -> None:
    """List open flags, newest first."""
    with store_of(home) as client:
        found = client.get("/flags", limit=limit)
    answer(found, _flags, as_json=as_json)


def _quality(found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['judgments']} judgments on {found['items']} pairs, {found['shared']} of them judged by two or more"
    if found["waiting"]:
        yield f"{found['waiting']} wait for a second person"
    yield f"agreement {percent(found['agreement'])}, Krippendorff's alpha {_decimal(found['alpha'])}"
    people = sorted(found["annotators"], key=lambda one: -one["judgments"])
    head = ("login", "pseudonym", "judgments", "for the better", "known pairs", "left wins", "alike again", "")
    yield from columns(map(_person, people), head=head)
    for one in people:
        for finding in one["findings"]:
            interval = f"{percent(finding['low'])} to {percent(finding['high'])}"
            beyond = f"{percent(finding['value'])} ({interval}), beyond {percent(finding['bound'])}"
            yield f"{one['login']}: {finding['kind'].replace('_', ' ')}: {beyond}"


def _person(one: dict[str, Any]) -> tuple[object, ...]:
    state = "in quarantine" if one["quarantine"] else "wants a look" if one["findings"] else ""
    shares = (percent(one[name] and one[name]["value"]) for name in ("reliability", "gold", "left", "repeats"))
    return (one["login"], one["pseudonym"], one["judgments"], *shares, state)


def _flags(found: list[dict[str, Any]]) -> Iterator[str]:
    rows = [
        (one["judgment_id"], one["prompt_id"], one["pseudonym"], one["flag"].replace("_", " "), one["comment"])
        for one in found
    ]
    yield from columns(rows, head=("judgment", "prompt", "by", "flag", "comment"))


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
