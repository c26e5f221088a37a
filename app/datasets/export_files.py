"""The export files of a server, kept until somebody deletes them. The REST API uses this."""

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

    def __init__(self, store: PreferenceStore, jobs: Jobs, directory: Path) -> None:
        self._store = store
        self._jobs = jobs
        self._directory = directory
        self._previews: dict[int | None, object] = {}

    def preview(self, order: ExportOrder, asked_by: int | None) -> Preview:
        """Preview what a file would contain; a newer preview of the same person cancels this one.

        Raises InputError for an invalid order, ConflictError when a newer preview replaced it.
        """
        this = self._previews[asked_by] = object()

        def still_wanted(_: int) -> None:
            if self._previews[asked_by] is not this:
                raise ConflictError("Another preview was asked for meanwhile.")

        return preview(self._store, order, ExportTally(told=still_wanted))

    def lines(self, order: ExportOrder) -> Iterator[bytes]:
        """Return all rows of a checked order as JSON lines, in blocks, after all have been read.

        A response that breaks off midway would look complete, so the rows are first written to an unnamed temporary
        file. Raises HomeError where a row cannot be read, and DiskFullError.
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

    def begin(self, order: ExportOrder, made_by: int | None, ending: str | None = None) -> Job:
        """Start a job that makes a file, with the given suffix of its container (None: the first).

        Raises InputError for an invalid order.
        """
        order.check()
        endings = container_named(order.container).suffixes or ("",)
        if ending is not None and ending not in endings:
            raise InputError(
                "The name of a {container} file does not end in {ending}.", container=order.container, ending=ending
            )

        def work(job: Job) -> int:
            with written_to(self._directory), self._fresh(job.id) as fresh:
                out = fresh / f"{_NAME}{endings[0] if ending is None else ending}"
                made = write(self._store, order, out, ExportTally(told=job.tell), made_by=made_by)
                if out.is_dir():
                    _pack(out)
                fresh.replace(self._folder(made.id))
            return made.id

        return self._jobs.begin("export", self._store.export_rows.count(order.query), work)

    def publish(self, order: ExportOrder, repo: str, made_by: int | None, *, private: bool) -> Job:
        """Start a job that publishes a dataset on the hub. Raises InputError for an invalid order."""
        order.check()

        def work(job: Job) -> int:
            with written_to(Path(gettempdir())):
                tally = ExportTally(told=job.tell)
                return publish(self._store, order, repo, tally, private=private, made_by=made_by).id

        return self._jobs.begin("publish", self._store.export_rows.count(order.query), work)

    def file(self, export_id: int) -> Path:
        """Return the file of an export. Raises NotFoundError when it is not (or no longer) here."""
        found = self.find(export_id)
        if found is None:
            raise NotFoundError("The file of export {number} is not kept any more. Export again.", number=export_id)
        return found

    def find(self, export_id: int) -> Path | None:
        """Return the file of an export (a zip if it is a directory); None when it is not (or no longer) here."""
        files = sorted(self._folder(export_id).glob(f"{_NAME}.*"))
        return next((file for file in files if not file.name.endswith(".manifest.json")), None)

    def manifest(self, export_id: int) -> Path:
        """Return the manifest beside an export's file. Raises NotFoundError when it is not (or no longer) here."""
        file = self.file(export_id)
        return manifest_path(file.with_name(_NAME) if file.suffix == ".zip" else file)

    def discard(self, export_id: int) -> None:
        """Delete the file; the record of the export stays. Raises NotFoundError when it is not here."""
        self.file(export_id)
        shutil.rmtree(self._folder(export_id))

    @contextmanager
    def _fresh(self, number: int) -> Iterator[Path]:
        """Create a directory for a file being made; it is deleted at the end unless it was moved."""
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
    """Replace a directory by a zip of it."""
    with zipfile.ZipFile(directory.with_name(f"{directory.name}.zip"), "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(one for one in directory.rglob("*") if one.is_file()):
            archive.write(file, file.relative_to(directory))
    shutil.rmtree(directory)
