"""The commands `prefloop prompt ...`: what the model is asked. Knows no rules of its own.

Only to edit one needs a running server, since whoever writes has an account there. New ones come in by
`prefloop import prompts`.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from app.cli.options import HOME, AsJson, HomePath
from app.cli.output import answer, columns
from app.cli.server import server_of, store_of
from data.records import Split

_MOST_LINES = 200

PromptId = Annotated[int, typer.Argument(help="The prompt's number.")]

prompts = typer.Typer(no_args_is_help=True, help="Prompts to sample from.")


@prompts.command("list")
def list_prompts(
    words: Annotated[str, typer.Option(help="Only prompts with this text in a turn.")] = "",
    split: Annotated[Split | None, typer.Option(help="Only prompts of this split.")] = None,
    source: Annotated[str | None, typer.Option(help="Only prompts from this source.")] = None,
    retired: Annotated[
        bool | None, typer.Option("--retired/--in-use", help="Only retired ones, or only those in use.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST_LINES, help="How many at most.")] = 50,
    before: Annotated[int | None, typer.Option(min=1, help="Only prompts with a lower number: the next page.")] = None,
    home: HomePath = HOME,
    as_json: AsJson = False,
) -> None:
    """List the prompts, newest first."""
    asked = {"words": words, "split": split, "source": source, "retired": retired, "limit": limit, "before": before}
    with store_of(home) as client:
        found = client.get("/prompts/list", **{name: value for name, value in asked.items() if value is not None})
    answer(found, _lines, as_json=as_json)


@prompts.command("sources")
def sources(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """List the sources of prompts, and how they are split."""
    with store_of(home) as client:
        found = client.get("/prompts/sources")
    answer(found, _sources, as_json=as_json)


@prompts.command("edit")
def edit(number: PromptId, text: str, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Replace a prompt by one whose last turn is this text; the old one is retired."""
    with server_of(home) as server:
        found = server.post(f"/prompts/{number}/edit", text=text)
    answer(found, f"Prompt {found['id']} has taken the place of prompt {number}.", as_json=as_json)


@prompts.command("retire")
def retire(number: PromptId, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Retire a prompt: it is no longer sampled, and its pairs that nobody has judged are withdrawn."""
    with store_of(home) as client:
        client.post(f"/prompts/{number}/retire")
        [found] = client.get("/prompts/list", before=number + 1, limit=1)
    answer(found, f"Prompt {number} is retired.", as_json=as_json)


def _lines(found: list[dict[str, Any]]) -> Iterator[str]:
    rows = [
        (
            line["id"],
            line["split"],
            line["source"],
            line["judgments"],
            "in use" if line["retired_at"] is None else "retired",
            line["messages"][-1]["content"],
        )
        for line in found
    ]
    yield from columns(rows, head=("prompt", "split", "source", "judgments", "", "last turn"))


def _sources(found: list[dict[str, Any]]) -> Iterator[str]:
    rows = [(line["source"], line["train"], line["heldout"], line["retired"]) for line in found]
    yield from columns(rows, head=("source", "train", "held out", "retired"))
