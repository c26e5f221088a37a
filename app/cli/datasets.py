"""The commands `prefloop import ...` and `prefloop export`: datasets in and out, with a running server or without.

Heavy imports wait until a command needs them. Knows no format.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.options import HOME, AsJson, HomePath
from app.cli.output import answer, columns, moment, show_json
from app.cli.server import client_of
from app.home import Home
from data.errors import InputError
from data.records import ImportKind, Split
from data.rounds.aggregation import Aggregation

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would happen.")]
FileToRead = Annotated[Path, typer.Argument(help="File, or directory of the datasets library, to read.")]
SourceOf = Annotated[
    str | None, typer.Option(help="Where its prompts come from, for the record; the file's name by default.")
]
LicenseOf = Annotated[str | None, typer.Option(help="Its licence, for the record.")]

imports = typer.Typer(no_args_is_help=True, help="Prompts and preferences from files.")
exports = typer.Typer()


@imports.command("prompts")
def import_prompts(
    file: FileToRead,
    source: SourceOf = None,
    license: LicenseOf = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    home: HomePath = HOME,
) -> None:
    """Import prompts to sample from: text, CSV, JSON lines, Parquet, or a datasets directory."""
    brought = {"source": source, "license": license}
    _bring(Home(home), file, ImportKind.PROMPTS, brought, dry_run=dry_run, as_json=as_json)


@imports.command("preferences")
def import_preferences(
    file: FileToRead,
    format: Annotated[str | None, typer.Option(help="Format of its rows; detected by default.")] = None,
    source: SourceOf = None,
    license: LicenseOf = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    home: HomePath = HOME,
) -> None:
    """Import judged pairs, each once, in any format that docs/formats.md lists."""
    brought = {"format": format, "source": source, "license": license}
    _bring(Home(home), file, ImportKind.PREFERENCES, brought, dry_run=dry_run, as_json=as_json)


@imports.command("list")
def list_imports(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """List the imports, newest first."""
    with client_of(home) as client:
        found = client.get("/imports")
    answer(found, _imports, as_json=as_json)


@exports.command("exports")
def list_exports(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """List the exports, newest first."""
    with client_of(home) as client:
        found = client.get("/exports")
    answer(found, _exports, as_json=as_json)


@exports.command("export")
def export(
    out: Annotated[Path | None, typer.Option(help="File, or new directory, to write.")] = None,
    format: Annotated[str, typer.Option(help="Format of the rows.")] = "trl",
    container: Annotated[str | None, typer.Option(help="Kind of file; by default its name decides.")] = None,
    split: Annotated[Split | None, typer.Option(help="Only prompts of this split.")] = None,
    rounds: Annotated[list[int] | None, typer.Option("--round", help="Only judgments this round used.")] = None,
    versions: Annotated[list[str] | None, typer.Option("--version", help="Only answers of this version.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only judgments from then on.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Only judgments before then.")] = None,
    annotators: Annotated[
        list[str] | None, typer.Option("--annotator", help="Only judgments of this pseudonym.")
    ] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Only judgments with this reason.")] = None,
    languages: Annotated[
        list[str] | None, typer.Option("--language", help="Only pairs in this language, such as en.")
    ] = None,
    aggregation: Annotated[
        Aggregation | None, typer.Option(help="How votes are aggregated; the format's default.")
    ] = None,
    agreement: Annotated[float, typer.Option(min=0, max=1, help="Least share of the votes for the winner.")] = 0.0,
    votes: Annotated[int, typer.Option(min=1, help="Least number of votes.")] = 1,
    strength: Annotated[float, typer.Option(min=1, max=3, help="Least mean strength.")] = 1.0,
    ties: Annotated[bool | None, typer.Option(help="Include ties; the format's default.")] = None,
    both_bad: Annotated[
        bool | None, typer.Option(help="Include pairs of two bad answers; the format's default.")
    ] = None,
    barred: Annotated[bool, typer.Option("--barred", help="Include judgments excluded from training.")] = False,
    provenance: Annotated[bool, typer.Option("--provenance", help="Include provenance columns.")] = False,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Anonymise: drop pseudonyms and comments.")] = False,
    push: Annotated[str | None, typer.Option(help="Publish on the Hugging Face hub, as OWNER/NAME.")] = None,
    public: Annotated[bool, typer.Option("--public", help="Make the published dataset public.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    home: HomePath = HOME,
) -> None:
    """Export the preferences, in a format that a trainer reads."""
    if (out is not None) + (push is not None) + dry_run != 1:
        raise InputError("say one of --out FILE, --push OWNER/NAME, and --dry-run, which shows what it would hold")
    kind = _container(out, container)
    asked = {
        "format": format,
        "container": kind,
        "split": split,
        "rounds": rounds or [],
        "versions": versions or [],
        "since": _milliseconds(since),
        "until": _milliseconds(until),
        "annotators": annotators or [],
        "tags": tags or [],
        "languages": languages or [],
        "aggregation": aggregation,
        "agreement": agreement,
        "votes": votes,
        "strength": strength,
        "ties": ties,
        "both_bad": both_bad,
        "barred": barred,
        "provenance": provenance,
        "anonymous": anonymous,
    }
    from app.client.datasets import datasets_of

    with client_of(home) as client, _bar("exporting") as told:
        datasets = datasets_of(client, Home(home))
        if out is not None:
            made = datasets.export(asked, out, told)
        elif push is not None:
            made = datasets.publish(asked, push, told, private=not public)
        else:
            made = datasets.preview(asked, told)
    if push is None:
        _warn_of_json(format, kind)
    if as_json:
        show_json(made)
        return
    _say_counts(made["counts"])
    if out is not None:
        typer.echo(f"{out}, and what it is: {out}.manifest.json")
    elif push is not None:
        typer.echo(f"https://huggingface.co/datasets/{push}")
    else:
        if made["tried"] is not None:
            typer.echo(f"Whether the format can hold a pair was tried with {made['tried']} of them.")
        for row in made["rows"]:
            show_json(row)


def _bring(
    home: Home, file: Path, kind: ImportKind, brought: dict[str, str | None], *, dry_run: bool, as_json: bool
) -> None:
    """Inspect a file, say what it holds, and import that."""
    from app.client.datasets import datasets_of
    from app.datasets.rejected_rows import bad_rows_of

    with client_of(home.path, make=True) as client, _bar("importing") as told:
        datasets = datasets_of(client, home)
        seen = datasets.inspect(file, kind, brought, told)
        if not as_json:
            read_as = f", {seen['format']}" if seen["format"] else ""
            typer.echo(f"{file}: {seen['container']}{read_as}; {seen['good']} of {seen['rows']} rows are good")
            for row in seen["bad"]:
                typer.echo(f"  {seen['unit']} {row['number']}: {row['reason']}")
        done = seen if dry_run else datasets.save(seen, told)
    if as_json:
        show_json(done)
    elif not dry_run:
        counts = done["counts"]
        typer.echo(f"{counts['added']} added, {counts['known']} known before, {counts['bad']} left out")
        bad_rows = bad_rows_of(home.imports, done["id"])
        if bad_rows.exists():
            typer.echo(f"left out, with reasons: {bad_rows}")


def _imports(found: list[dict[str, Any]]) -> Iterator[str]:
    rows = [
        (
            one["id"],
            moment(one["created_at"]),
            one["kind"],
            one["name"],
            one["format"] or one["container"],
            *(one["counts"].get(key, 0) for key in ("added", "known", "bad")),
            one["state"],
        )
        for one in found
    ]
    yield from columns(rows, head=("import", "begun", "", "file", "format", "added", "known", "left out", ""))


def _exports(found: list[dict[str, Any]]) -> Iterator[str]:
    rows = [
        (
            one["id"],
            moment(one["created_at"]),
            one["format"],
            one["container"],
            *(one["counts"].get(key, 0) for key in ("pairs_train", "pairs_test")),
            one["sha256"][:12],
        )
        for one in found
    ]
    yield from columns(rows, head=("export", "made", "format", "file", "to train on", "held out", "sha256"))


def _container(out: Path | None, said: str | None) -> str:
    """The container that is asked for, or that the name of the file says."""
    from data.containers.registry import CONTAINERS

    if said is not None or out is None:
        return said or "jsonl"
    named = (one.name for one in CONTAINERS if one.suffixes and out.name.lower().endswith(one.suffixes))
    found = next(named, None if out.suffix else "datasets")
    if found is None:
        raise InputError(f"{out}: the name does not say what kind of file it is; give --container")
    return found


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)


def _warn_of_json(format_name: str, container_name: str) -> None:
    """Say on stderr which cells of a CSV file no trainer reads."""
    from app.datasets.exporter import json_columns

    if found := json_columns(format_name, container_name):
        typer.echo(
            f"{', '.join(found)}: lists or objects, which CSV has as JSON texts. prefloop reads them again, but a "
            "trainer would take them for plain text. To train, take JSON lines or Parquet, or a format that has only "
            "texts, such as trl-text.",
            err=True,
        )


def _say_counts(counts: dict[str, int]) -> None:
    for part, words in (("train", "pairs to train on"), ("test", "held-out pairs")):
        typer.echo(f"{counts.get(f'pairs_{part}', 0)} {words}, from {counts.get(f'judgments_{part}', 0)} judgments")
    for key, count in counts.items():
        kind, _, reason = key.partition("_")
        if kind == "excluded":
            typer.echo(f"{count} judgments left out: {reason.replace('_', ' ')}")
        elif kind == "unheld":
            typer.echo(f"{count} pairs that the format cannot hold: {reason}")
        elif key == "reasoning_dropped":
            typer.echo(f"{count} answers had reasoning, which the format does not hold: they are exported without it")


@contextmanager
def _bar(words: str) -> Iterator[Callable[[int, int | None], None]]:
    """Shows how far it is, on a terminal; gives a function to be told done and of how many."""
    console = Console(stderr=True)
    columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(words, total=None, visible=False)

        def tell(done: int, of: int | None) -> None:
            progress.update(task, completed=done, total=of, visible=True)

        yield tell
