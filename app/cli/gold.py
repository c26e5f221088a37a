"""The commands `prefloop gold ...`: pairs whose answer is known. Knows no rules of its own.

Only to write one needs a running server, since whoever writes has an account there.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from app.cli.options import HOME, AsJson, HomePath
from app.cli.output import answer, columns
from app.cli.server import server_of, store_of
from data.records import Expectable

PairId = Annotated[int, typer.Argument(help="The pair's number.")]
ExplanationOption = Annotated[str, typer.Option(help="Shown to annotators who are told what was expected.")]

gold = typer.Typer(no_args_is_help=True, help="Gold pairs: their answer is known, and people are measured by them.")


@gold.command("list")
def list_known(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """List the gold pairs, newest first, and how people did."""
    with store_of(home) as client:
        found = client.get("/gold")
    answer(found, _known, as_json=as_json)


@gold.command("candidates")
def candidates(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """List candidates: pairs on which several people agree and nobody disagrees."""
    with store_of(home) as client:
        found = client.get("/gold/candidates")
    answer(found, _candidates, as_json=as_json)


@gold.command("make")
def make(
    pair: PairId,
    choice: Expectable,
    explanation: ExplanationOption = "",
    home: HomePath = HOME,
    as_json: AsJson = False,
) -> None:
    """Make a gold pair of a pair's two answers; a and b are the pair's own."""
    with store_of(home) as client:
        found = client.post("/gold", pair_id=pair, choice=choice, explanation=explanation)
    answer(found, _made, as_json=as_json)


@gold.command("write")
def write(
    prompt: str,
    good: str,
    bad: str,
    explanation: ExplanationOption = "",
    home: HomePath = HOME,
    as_json: AsJson = False,
) -> None:
    """Make a gold pair of two written answers, of which the good one is expected to win."""
    with server_of(home) as server:
        found = server.post("/gold/written", prompt=prompt, good=good, bad=bad, explanation=explanation)
    answer(found, _made, as_json=as_json)


@gold.command("retire")
def retire(pair: PairId, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Retire a gold pair; judgments on it still count."""
    with store_of(home) as client:
        client.post(f"/gold/{pair}/retire")
        [found] = (one for one in client.get("/gold") if one["pair_id"] == pair)
    answer(found, f"Known pair {pair} is asked no more.", as_json=as_json)


def _made(found: dict[str, Any]) -> Iterator[str]:
    yield f"Known pair {found['pair_id']}: {_expected(found)} is expected."


def _known(found: list[dict[str, Any]]) -> Iterator[str]:
    rows = [
        (
            one["pair_id"],
            _expected(one),
            f"{one['right']} of {one['judged']}",
            "retired" if one["retired"] else "in use",
            one["messages"][-1]["content"],
        )
        for one in found
    ]
    yield from columns(rows, head=("pair", "expected", "right", "", "last turn"))


def _candidates(found: list[dict[str, Any]]) -> Iterator[str]:
    rows = [(one["pair_id"], _expected(one), one["votes"], one["messages"][-1]["content"]) for one in found]
    yield from columns(rows, head=("pair", "all say", "votes", "last turn"))


def _expected(one: dict[str, Any]) -> str:
    return str(one["choice"]).replace("_", " ")
