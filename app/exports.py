"""The files that a server made of its store, until somebody takes them away. Knows nothing of HTTP."""

import shutil
import zipfile
from pathlib import Path

from app.errands import Errand, Errands
from app.export_manifest import manifest_path
from app.exporting import ExportOrder, Preview, Tally, preview, write
from app.publishing import publish
from data.containers.registry import by_name as container_named
from data.errors import ConflictError, InputError, NotFoundError
from data.store import PreferenceStore

_NAME = "preferences"


class Exports:
    """The exports of a home, each a directory with a file and its manifest."""

    def __init__(self, store: PreferenceStore, errands: Errands, directory: Path) -> None:
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

        return preview(self._store, order, Tally(told=still_wanted))

    def begin(self, order: ExportOrder, made_by: int, ending: str | None = None) -> Errand:
        """Have a file made, whose name has an ending of its container, the first if None.

        Raises InputError for an order that does not make sense.
        """
        order.check()
        endings = container_named(order.container).suffixes or ("",)
        if ending is not None and ending not in endings:
            raise InputError(
                "The name of a {container} file does not end in {ending}.", container=order.container, ending=ending
            )

        def work(errand: Errand) -> int:
            fresh = self._directory / f"errand-{errand.id}"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            out = fresh / f"{_NAME}{endings[0] if ending is None else ending}"
            try:
                tally = Tally(told=errand.tell)
                made = write(self._store, order, out, tally, made_by=made_by)
                if out.is_dir():
                    _pack(out)
                fresh.replace(self._folder(made.id))
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
            return made.id

        return self._errands.begin("export", self._store.outgoing.count(order.query), work)

    def publish(self, order: ExportOrder, repo: str, made_by: int, *, private: bool) -> Errand:
        """Have a dataset put on the hub. Raises InputError for an order that does not make sense."""
        order.check()

        def work(errand: Errand) -> int:
            tally = Tally(told=errand.tell)
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

    def _folder(self, export_id: int) -> Path:
        return self._directory / f"{export_id:06d}"


def _pack(directory: Path) -> None:
    """Put a zip of a directory in its place."""
    with zipfile.ZipFile(directory.with_name(f"{directory.name}.zip"), "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(one for one in directory.rglob("*") if one.is_file()):
            archive.write(file, file.relative_to(directory))
    shutil.rmtree(directory)
