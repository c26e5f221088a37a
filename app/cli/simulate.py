"""The command `prefloop simulate`: the loop with synthetic annotators in place of people."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from app.cli.options import AsJson
from app.cli.output import show_json
from app.home import Home
from app.rounds.algorithms import Algorithm
from app.simulation.tastes import TasteName, ready_made

simulation = typer.Typer()


@simulation.command()
def simulate(
    annotators: Annotated[int, typer.Option(min=1, help="How many synthetic annotators.")] = 3,
    judgments: Annotated[int, typer.Option(min=1, help="Judgments per round, over all annotators.")] = 60,
    rounds: Annotated[int, typer.Option(min=1, help="Training rounds.")] = 2,
    taste: Annotated[TasteName, typer.Option(help="What they prefer, unknown to the loop.")] = TasteName.POLITE,
    algorithm: Annotated[
        Algorithm | None, typer.Option(help="Algorithm of the rounds; the configured one by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of tastes and measurements.")] = 0,
    model: Annotated[str | None, typer.Option(help="Model to start a server with, as for `prefloop serve`.")] = None,
    prompts: Annotated[Path | None, typer.Option(help="Prompts to start it with, as for `prefloop serve`.")] = None,
    comparisons: Annotated[int, typer.Option(min=1, help="Answers on which each version is measured.")] = 100,
    unseen: Annotated[
        Path | None,
        typer.Option(help="Prompts to measure on, one answer each; the server's held-out prompts by default."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write the result to as well, as JSON.")] = None,
    home: Annotated[
        Path | None,
        typer.Option(help="Home to use, with its server if one runs; a temporary one by default."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate annotators with a hidden taste at a real server, and measure whether the model follows it."""
    from app.simulation.study import Study, server_on
    from app.simulation.study import simulate as run_study
    from app.simulation.table import as_record, as_table
    from data.exchange.read_prompts import read_prompts

    def say(words: str) -> None:
        typer.echo(words, err=as_json)  # what programs read is the result alone

    measured = None if unseen is None else list(map(list, read_prompts(unseen)))
    study = Study(ready_made(taste), annotators, judgments, rounds, seed, algorithm, comparisons, measured)
    with (
        TemporaryDirectory(prefix="prefloop-") as temporary,
        server_on(Home(home or Path(temporary)), say, model=model, prompts=prompts) as owner,
    ):
        rows = run_study(study, owner, say)
    found = as_record(taste, seed, rows)
    if out is not None:
        out.write_text(json.dumps(found, indent=2) + "\n")
    if as_json:
        show_json(found)
    else:
        Console().print(as_table(taste, rows))
