"""The commands `prefloop backup | restore | check`: a home kept, brought back and looked through.

All three only read what is there, so that they go on beside a running server. Knows nothing of what is in a home.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.options import HOME, AsJson, HomePath
from app.cli.output import answer, moment
from app.home import Home

_MB = 1_000_000

backups = typer.Typer()


@backups.command("backup")
def back_up(
    to: Annotated[
        Path | None, typer.Option(help="Directory for backups; by default that of [backup], or HOME-backups.")
    ] = None,
    keep: Annotated[int | None, typer.Option(min=1, help="Keep only the newest so many there.")] = None,
    home: HomePath = HOME,
    as_json: AsJson = False,
) -> None:
    """Back up the whole home as of one moment, while the server runs."""
    from app.maintenance.backups import back_up, directory_of
    from app.settings.settings import load_settings

    place = Home(home)
    made = back_up(place, directory_of(place, to or load_settings(place.path).backup.directory), keep=keep)
    answer(made, _made, as_json=as_json)


@backups.command("restore")
def restore(
    backup: Annotated[Path, typer.Argument(help="A directory that `prefloop backup` made.")],
    home: HomePath = HOME,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check that the backup is complete.")] = False,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into a new home; nothing is overwritten."""
    from app.maintenance.backups import backup_out
    from data.db.backups import restore, verify

    found = verify(backup) if dry_run else restore(backup, Home(home).path)
    said = f"{len(found.files)} files of {moment(found.created_at)}, all as they were made"
    words = said if dry_run else f"{said}; start it with `prefloop serve --home {home}`"
    answer(backup_out(found), words, as_json=as_json)


@backups.command("check")
def check(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Check the store and the files of versions for damage. Nothing is repaired."""
    from app.maintenance.home_check import assert_sound, look_through

    found = look_through(Home(home))
    answer(found, lambda _: [*found.problems, *found.notes], as_json=as_json)
    assert_sound(found)
    if not as_json:
        typer.echo("All is well.")


def _made(made: dict[str, Any]) -> Iterator[str]:
    yield f"{made['path']}: {made['files']} files, {made['bytes'] / _MB:.1f} MB"
    for path in made["deleted"]:
        yield f"deleted: {path}"
