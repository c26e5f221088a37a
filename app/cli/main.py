"""The command line, `prefloop ...`: every command of it, each in a file of its kind.

A command on a home that a server owns asks that server; otherwise it opens the home itself. An error meant
for people is one line on stderr and exit status 2. Heavy imports wait until a command needs them, so that
--help is quick. Knows no rules of its own.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.cli.backup import backups
from app.cli.datasets import exports, imports
from app.cli.gold import gold
from app.cli.guidelines import guidelines
from app.cli.lineage import lineage
from app.cli.models import models
from app.cli.options import HOME, DtypeOf, HomePath, ModelName, QuantizeTo, TrustCode
from app.cli.people import users
from app.cli.prompts import prompts
from app.cli.quality import quality
from app.cli.round_records import round_records
from app.cli.rounds import rounds
from app.cli.simulate import simulation
from app.cli.status import look
from app.cli.versions import adapters
from app.home import Home
from app.rounds.algorithms import Algorithm
from data.errors import PrefloopError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="The preference loop in one application.",
)
rounds.add_typer(round_records)
app.add_typer(look)
app.add_typer(quality)
app.add_typer(users, name="user")
app.add_typer(prompts, name="prompt")
app.add_typer(gold, name="gold")
app.add_typer(guidelines, name="guidelines")
app.add_typer(adapters, name="adapter")
app.add_typer(rounds, name="round")
app.add_typer(lineage, name="lineage")
app.add_typer(models, name="model")
app.add_typer(imports, name="import")
app.add_typer(exports)
app.add_typer(backups)
app.add_typer(simulation)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version as version_of

        typer.echo(f"prefloop {version_of('prefloop')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options of the command itself; their callbacks do the work."""


@app.command()
def serve(
    home: HomePath = HOME,
    model: Annotated[str | None, typer.Option(help=f"{ModelName}; the built-in model by default.")] = None,
    dtype: DtypeOf = None,
    quantize: QuantizeTo = None,
    trust_remote_code: TrustCode = False,
    prompts: Annotated[
        Path | None, typer.Option(help="Prompts to add: text, one a line, or JSONL with `prompt`.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate with its chain, as PEM: serve HTTPS.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, as PEM, if that is in a file of its own.")] = None,
) -> None:
    """Start the loop: pages for annotators and admins, the model, training rounds."""
    from app.settings.settings import load_settings
    from app.settings_file import FILE, SettingsFile
    from app.web.listening import claimed

    place = Home(home)
    settings = load_settings(
        place.path,
        model=model,
        dtype=dtype,
        quantize=quantize,
        trust_remote_code=trust_remote_code or None,
        prompts=prompts,
        host=host,
        port=port,
        tls_cert=tls_cert,
        tls_key=tls_key,
    )
    with SettingsFile(place.path / FILE).locating(), claimed(place, settings) as at:
        from app.background.shutdown import run_to_the_end
        from app.web.server import serve as run_server

        run_to_the_end(run_server(place, settings, at, typer.echo))


@app.command()
def train(
    pairs: Annotated[Path, typer.Option(help="Preferences or ratings; docs/formats.md lists what is read.")],
    model: Annotated[str, typer.Option(help=f"{ModelName}, or built-in.")],
    out: Annotated[Path, typer.Option(help="Directory for the round; the adapter is in its adapter/.")],
    config: Annotated[Path | None, typer.Option(help="TOML with the keys of [training]; may have [model].")] = None,
    algorithm: Annotated[Algorithm | None, typer.Option(help="Algorithm; dpo unless --config says otherwise.")] = None,
    seed: Annotated[int, typer.Option(help="Same data, settings and seed: the same adapter.")] = 0,
    heldout_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the prompts held out for evaluation.")
    ] = 0.1,
    dtype: DtypeOf = None,
    quantize: QuantizeTo = None,
    trust_remote_code: TrustCode = False,
) -> None:
    """Train an adapter on a preference file, without a server. Re-run to resume."""
    from app.rounds.train_file import Task, read_options, read_settings
    from app.rounds.train_file import train as run_training
    from app.settings_file import SettingsFile

    flags = {"dtype": dtype, "quantize": quantize, "trust_remote_code": trust_remote_code or None}
    settings, options = read_settings(config, algorithm), read_options(config, **flags)
    task = Task(pairs, model, out, settings, seed, heldout_share, options)
    with SettingsFile(config or Path("a file that --config names"), restart=False).locating():
        run_training(task, Console())


def main() -> None:
    """Run the command line; an error meant for people is one line on stderr and exit status 2."""
    try:
        app()
    except PrefloopError as error:
        sys.stderr.write(f"prefloop: {error}\n")
        sys.exit(2)
