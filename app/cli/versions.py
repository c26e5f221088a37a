"""The commands `prefloop adapter ...`: versions, on a home with a running server or without.

Heavy imports wait until a command needs them. Knows no rules of its own.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import HOME, AsJson, HomePath
from app.cli.output import answer
from app.cli.server import client_of, server_of
from data.errors import InputError

if TYPE_CHECKING:
    from app.client.client import Client

Reason = Annotated[str, typer.Option(help="Reason (kept in the audit log).")]
NewDirectory = Annotated[Path, typer.Argument(help="Directory to create.")]

_SAID = "from the command line"

adapters = typer.Typer(no_args_is_help=True, help="Versions of the model: list, promote, roll back, try, download.")


@adapters.command("list")
def list_adapters(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """List the versions with their status; the serving one is marked."""
    with client_of(home) as client:
        found = client.get("/adapters")
    answer(found, _lines, as_json=as_json)


@adapters.command("promote")
def promote(name: str, home: HomePath = HOME, reason: Reason = _SAID, as_json: AsJson = False) -> None:
    """Serve a version, also an older one; it is verified before it takes over."""
    with client_of(home) as client:
        found = client.post(f"/adapters/{name}/promote", reason=reason)
    answer(found, f"{found['champion']} serves.", as_json=as_json)


@adapters.command("roll-back")
def roll_back(home: HomePath = HOME, reason: Reason = _SAID, as_json: AsJson = False) -> None:
    """Serve the previous version again, and mark the serving one as refused."""
    with client_of(home) as client:
        found = client.post("/adapters/roll-back", reason=reason)
    answer(found, f"{found['champion']} serves.", as_json=as_json)


@adapters.command("refuse")
def refuse(name: str, home: HomePath = HOME, reason: Reason = _SAID, as_json: AsJson = False) -> None:
    """Refuse a version; it can still be promoted later."""
    with client_of(home) as client:
        found = _ruled(client, name, "refuse", reason)
    answer(found, f"{name} is refused.", as_json=as_json)


@adapters.command("try")
def put_on_trial(name: str, home: HomePath = HOME, reason: Reason = _SAID, as_json: AsJson = False) -> None:
    """Start an A/B trial: annotators compare a version, blind, with the serving one; their votes decide."""
    with server_of(home) as server:
        found = _ruled(server, name, "try", reason)
    answer(found, f"{name} is in trial.", as_json=as_json)


@adapters.command("retire")
def retire(name: str, home: HomePath = HOME, reason: Reason = _SAID, as_json: AsJson = False) -> None:
    """Retire a version; its files are kept."""
    with client_of(home) as client:
        found = _ruled(client, name, "retire", reason)
    answer(found, f"{name} is retired.", as_json=as_json)


@adapters.command("download")
def download(name: str, out: NewDirectory, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Write a version as a directory that PeftModel.from_pretrained loads."""
    _assert_new(out)
    _fetch(home, name, out)
    answer(_written(name, out), f"{name} is in {out}", as_json=as_json)


@adapters.command("merge")
def merge(name: str, out: NewDirectory, home: HomePath = HOME, as_json: AsJson = False) -> None:
    """Write the base merged with a version, in float32, as a model that transformers loads."""
    from trainer.model.merging import load_and_merge

    _assert_new(out)
    with TemporaryDirectory() as folder:
        adapter = Path(folder) / name
        _fetch(home, name, adapter)
        load_and_merge(adapter, out)
    answer(_written(name, out), f"The base with {name} is in {out}", as_json=as_json)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for version in found["versions"]:
        mark = "*" if version["standing"] == "serves" else " "
        old = ", trained in another prompt format" if version["old_format"] else ""
        yield f"{mark} {version['name']:20} {version['standing'].replace('_', ' ')}{old}"


def _written(name: str, out: Path) -> dict[str, Any]:
    """What was written of a version."""
    return {"version": name, "directory": str(out), "files": sorted(file.name for file in out.iterdir())}


def _fetch(home: Path, name: str, out: Path) -> None:
    """A version's verified files in a new directory."""
    with client_of(home) as client, TemporaryDirectory() as folder:
        packed = Path(folder) / "version.zip"
        client.download(f"/adapters/{name}/files", packed)
        out.mkdir(parents=True)
        with zipfile.ZipFile(packed) as archive:
            for entry in archive.infolist():
                (out / Path(entry.filename).name).write_bytes(archive.read(entry))


def _ruled(client: "Client", name: str, ruling: str, reason: str) -> dict[str, Any]:
    """A version as it stands once this is decided."""
    client.post(f"/adapters/{name}/{ruling}", reason=reason)
    [found] = [version for version in client.get("/adapters")["versions"] if version["name"] == name]
    return dict(found)


def _assert_new(out: Path) -> None:
    if out.exists():
        raise InputError(f"{out} exists already; choose a directory that does not")
