"""Datasets in and out of a home, through a client: by the API of a running server, or straight from file to store.

A file is too big to pass through the API in this process, which holds all that it carries in memory. Both ways answer
as the API does. Knows nothing of terminals.
"""

import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError

from app.api.exports import ExportIn, export_out, preview_out
from app.api.imports import import_out, look_out
from app.client.client import Client
from app.client.opened_home import OpenedHome
from app.datasets.export_order import ExportOrder
from app.datasets.export_preview import preview
from app.datasets.export_tally import ExportTally
from app.datasets.exporter import file_info, write
from app.datasets.hub import publish
from app.datasets.importer import save
from app.datasets.manifest import manifest_path, renamed
from app.file_reading.look import Brought, Look
from app.file_reading.process import inspect
from app.home import Home
from app.settings.settings import load_settings
from data.activity.audit import AuditAct
from data.containers.container import Unreadable
from data.containers.jsonl import JSONL, standing_in
from data.containers.registry import by_name, opening
from data.errors import ConflictError, InputError, PrefloopError
from data.records import ImportKind
from data.support.atomic_files import replacing
from data.support.disk import written_to

TransferTold = Callable[[int, int | None], None]
"""Hears how much is done, and of how much, if that is known."""

_LOOK_AGAIN_SECONDS = 0.3


def datasets_of(client: Client, home: Home) -> "LocalDatasets | ServedDatasets":
    """The datasets of a home that a client was made for."""
    return ServedDatasets(client, home) if client.opened is None else LocalDatasets(client.opened)


class LocalDatasets:
    """The store itself. What is done is kept in the audit by the names that the API has for it."""

    def __init__(self, opened: OpenedHome) -> None:
        self._home = opened.home
        self._limits = opened.settings.imports.limits
        self._store = opened.store
        self._looks: dict[str, Look] = {}

    def preview(self, asked: Mapping[str, Any], told: TransferTold) -> dict[str, Any]:
        """What an export would hold."""
        order = _order(asked)
        return preview_out(preview(self._store, order, self._tally(order, told))).model_dump(mode="json")

    def export(self, asked: Mapping[str, Any], out: Path, told: TransferTold) -> dict[str, Any]:
        """Write a file and its manifest."""
        order = _order(asked)
        with written_to(out):
            made = write(self._store, order, out, self._tally(order, told))
        self._keep(AuditAct.EXPORT_PREFERENCES, format=order.format, export=made.id, out=str(out))
        return export_out(made, here=False).model_dump(mode="json")

    def publish(self, asked: Mapping[str, Any], repo: str, told: TransferTold, *, private: bool) -> dict[str, Any]:
        """Put a dataset on the hub."""
        order = _order(asked)
        made = publish(self._store, order, repo, self._tally(order, told), private=private)
        self._keep(AuditAct.PUBLISH_PREFERENCES, format=order.format, export=made.id, repo=repo, private=private)
        return export_out(made, here=False).model_dump(mode="json")

    def inspect(
        self, file: Path, kind: ImportKind, brought: Mapping[str, str | None], told: TransferTold
    ) -> dict[str, Any]:
        """What a file holds."""
        seen = inspect(
            Brought(file, file.name, kind, brought.get("format")),
            self._limits,
            source=brought.get("source"),
            license=brought.get("license"),
            progress=lambda so_far: told(so_far, None),  # how far the end is nobody knows
        )
        self._looks[str(file)] = seen
        return look_out(str(file), seen).model_dump(mode="json")

    def save(self, seen: Mapping[str, Any], told: TransferTold) -> dict[str, Any]:
        """Take in a file that was looked at."""
        looked = self._looks[seen["upload"]]
        self._keep(AuditAct.IMPORT_FILE, kind=looked.file.kind, name=looked.file.name, source=looked.file.source)
        done = save(
            self._store,
            looked,
            self._limits,
            self._home.imports,
            progress=lambda so_far: told(so_far, looked.rows),
        )
        return import_out(done).model_dump(mode="json")

    def _tally(self, order: ExportOrder, told: TransferTold) -> ExportTally:
        of = self._store.export_rows.count(order.query)
        return ExportTally(told=lambda done: told(done, of))

    def _keep(self, act: AuditAct, **detail: str | int) -> None:
        self._store.audit.add(None, act, detail)


class ServedDatasets:
    """The API of a running server, as its owner."""

    def __init__(self, server: Client, home: Home) -> None:
        self._server = server
        self._home = home

    def preview(self, asked: Mapping[str, Any], told: TransferTold) -> dict[str, Any]:
        """What an export would hold."""
        told(0, None)  # the server says how far it is only of what it makes
        seen: dict[str, Any] = self._server.post_and_wait("/exports/preview", **asked)
        return seen

    def export(self, asked: Mapping[str, Any], out: Path, told: TransferTold) -> dict[str, Any]:
        """Have a file and its manifest made, and bring them here."""
        order = _order(asked)
        order.check_name(out.name)
        endings = by_name(order.container).suffixes
        directory = not endings
        if directory and out.exists():
            raise ConflictError(f"{out} exists already; name a directory that does not")
        ending = next((one for one in endings if out.name.lower().endswith(one)), "")
        number = self._result(self._server.post(f"/exports?ending={ending}" if ending else "/exports", **asked), told)
        with written_to(out), TemporaryDirectory(dir=out.parent) as folder:
            file, manifest = Path(folder) / "file", Path(folder) / "manifest"
            self._server.download(f"/exports/{number}/file", file)
            self._server.download(f"/exports/{number}/manifest", manifest)
            if directory:
                with zipfile.ZipFile(file) as archive:
                    archive.extractall(Path(folder) / "unpacked")
                file = Path(folder) / "unpacked"
            file.replace(out)
            text = renamed(manifest.read_text(encoding="utf-8"), out.name, file_info(order, out.name))
        with written_to(out), replacing(manifest_path(out)) as fresh:
            fresh.write_text(text, encoding="utf-8")
        self._server.delete(f"/exports/{number}/file")
        made: dict[str, Any] = self._server.get(f"/exports/{number}")
        return made

    def publish(self, asked: Mapping[str, Any], repo: str, told: TransferTold, *, private: bool) -> dict[str, Any]:
        """Put a dataset on the hub."""
        number = self._result(self._server.post("/exports/publish", **asked, repo=repo, private=private), told)
        made: dict[str, Any] = self._server.get(f"/exports/{number}")
        return made

    def inspect(
        self, file: Path, kind: ImportKind, brought: Mapping[str, str | None], told: TransferTold
    ) -> dict[str, Any]:
        """What a file holds, that is sent for it."""
        told(0, None)  # the server says nothing before it has read all
        said = {key: value for key, value in brought.items() if value is not None}
        if not file.is_dir():
            return self._look(file, kind, said)
        # read here and not before: the server has its settings, and nothing else asks for those in the file
        limits = load_settings(self._home.path).imports.limits
        # a directory cannot be sent; its rows can, each on the line that has its number
        with TemporaryDirectory() as folder:
            rows = Path(folder) / f"{file.name}.jsonl"
            _, found = opening(file).read(file, limits)
            JSONL.write(rows, None, {"train": map(_sent, (row for _, row in found))})
            return self._look(rows, kind, {"source": file.name} | said)

    def save(self, seen: Mapping[str, Any], told: TransferTold) -> dict[str, Any]:
        """Take in a file that was looked at."""
        number = self._result(self._server.post("/imports", upload=seen["upload"]), told)
        done: dict[str, Any] = self._server.get(f"/imports/{number}")
        return done

    def _look(self, file: Path, kind: ImportKind, said: Mapping[str, str]) -> dict[str, Any]:
        seen: dict[str, Any] = self._server.upload("/imports/look", file, name=file.name, kind=kind.value, **said)
        return seen

    def _result(self, job: dict[str, Any], told: TransferTold) -> int:
        """The id of what comes of a job, once it has. Raises PrefloopError when nothing does."""
        while job["state"] in ("waiting", "running"):
            told(job["done"], job["of"])
            time.sleep(_LOOK_AGAIN_SECONDS)
            job = self._server.get(f"/errands/{job['id']}")
        if job["result"] is None:
            raise PrefloopError(job["reason"]["words"], **job["reason"]["values"])
        return int(job["result"])


def _sent(row: object) -> Mapping[str, object]:
    """A row of a table, which is an object or could not be read."""
    if isinstance(row, Unreadable):
        return standing_in(row)
    assert isinstance(row, Mapping), "a table has nothing else"
    return row


def _order(asked: Mapping[str, Any]) -> ExportOrder:
    try:
        return ExportIn(**asked).order()
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
