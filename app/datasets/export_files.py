"""The files that a server made of its store, until somebody takes them away. Knows nothing of HTTP."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import IO

from app.background.jobs import Job, Jobs
from app.datasets.export_order import ExportOrder
from app.datasets.export_preview import Preview, preview
from app.datasets.export_tally import ExportTally
from app.datasets.exporter import exported_rows, write
from app.datasets.hub import publish
from app.datasets.manifest import manifest_path
from data.containers.registry import by_name as container_named
from data.errors import ConflictError, InputError, NotFoundError
from data.store import PreferenceStore
from data.support.disk import written_to

_NAME = "preferences"
_BLOCK = 1 << 16


class ExportFiles:
    """The exports of a home, each a directory with a file and its manifest."""

    def __init__(self, store: PreferenceStore, errands: Jobs, directory: Path) -> None:
        self._store = store
        self._errands = errands
        self._directory = directory
        self._previews: dict[int, object] = {}

    def preview(self, order: ExportOrder, asked_by: int) -> Preview:
        """What a file would hold; who asks for another one meanwhile does not wait for this.

        Raises InputError for an order that does not make sense, ConflictError when it was given up for a newer one.
        """
        this = self._previews[asked_by] = object()

        def still_wanted(_: int) -> None:
            if self._previews[asked_by] is not this:
                raise ConflictError("Another preview was asked for meanwhile.")

        return preview(self._store, order, ExportTally(told=still_wanted))

    def lines(self, order: ExportOrder) -> Iterator[bytes]:
        """All rows of a checked order as JSON lines, in blocks, once all are read: half a file looks like a whole.

        Raises HomeError where a row cannot be read, and DiskFullError: the rows wait in a file without a name.
        """
        with written_to(self._directory):
            self._directory.mkdir(parents=True, exist_ok=True)
            with ExitStack() as kept:
                file = kept.enter_context(TemporaryFile(dir=self._directory))
                for row in exported_rows(self._store, order, ExportTally()):
                    file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
                file.seek(0)
                kept.pop_all()
        return _blocks(file)

    def begin(self, order: ExportOrder, made_by: int, ending: str | None = None) -> Job:
        """Have a file made, whose name has an ending of its container, the first if None.

        Raises InputError for an order that does not make sense.
        """
        order.check()
        endings = container_named(order.container).suffixes or ("",)
        if ending is not None and ending not in endings:
            raise InputError(
                "The name of a {container} file does not end in {ending}.", container=order.container, ending=ending
            )

        def work(errand: Job) -> int:
            with written_to(self._directory), self._fresh(errand.id) as fresh:
                out = fresh / f"{_NAME}{endings[0] if ending is None else ending}"
                made = write(self._store, order, out, ExportTally(told=errand.tell), made_by=made_by)
                if out.is_dir():
                    _pack(out)
                fresh.replace(self._folder(made.id))
            return made.id

        return self._errands.begin("export", self._store.outgoing.count(order.query), work)

    def publish(self, order: ExportOrder, repo: str, made_by: int, *, private: bool) -> Job:
        """Have a dataset put on the hub. Raises InputError for an order that does not make sense."""
        order.check()

        def work(errand: Job) -> int:
            with written_to(Path(gettempdir())):
                tally = ExportTally(told=errand.tell)
                return publish(self._store, order, repo, tally, private=private, made_by=made_by).id

        return self._errands.begin("publish", self._store.outgoing.count(order.query), work)

    def file(self, export_id: int) -> Path:
        """The file of an export. Raises NotFoundError when it is not here (any more)."""
        found = self.find(export_id)
        if found is None:
            raise NotFoundError("The file of export {number} is not kept any more. Export again.", number=export_id)
        return found

    def find(self, export_id: int) -> Path | None:
        """The file of an export, a zip of one that is a directory; None when it is not here (any more)."""
        files = sorted(self._folder(export_id).glob(f"{_NAME}.*"))
        return next((file for file in files if not file.name.endswith(".manifest.json")), None)

    def manifest(self, export_id: int) -> Path:
        """The manifest beside the file of an export. Raises NotFoundError when it is not here (any more)."""
        file = self.file(export_id)
        return manifest_path(file.with_name(_NAME) if file.suffix == ".zip" else file)

    def discard(self, export_id: int) -> None:
        """Take the file away; what it was is remembered. Raises NotFoundError when it is not here."""
        self.file(export_id)
        shutil.rmtree(self._folder(export_id))

    @contextmanager
    def _fresh(self, number: int) -> Iterator[Path]:
        """A directory for a file that is being made; it is gone at the end unless somebody has moved it."""
        path = self._directory / f"errand-{number}"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def _folder(self, export_id: int) -> Path:
        return self._directory / f"{export_id:06d}"


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(_BLOCK):
            yield block


def _pack(directory: Path) -> None:
    """Put a zip of a directory in its place."""
    with zipfile.ZipFile(directory.with_name(f"{directory.name}.zip"), "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(one for one in directory.rglob("*") if one.is_file()):
            archive.write(file, file.relative_to(directory))
    shutil.rmtree(directory)
