"""Uploaded files: stored temporarily, inspected, and imported on confirmation. The REST API uses this."""

import asyncio
import re
import secrets
import shutil
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from app.background.jobs import Job, Jobs
from app.datasets.importer import save
from app.datasets.rejected_rows import bad_rows_of
from app.file_reading.look import Brought, Look, RowProgress
from app.file_reading.process import inspect
from app.settings_file import HERE, SettingsFile
from data.containers.container import FileLimits
from data.containers.registry import CONTAINERS
from data.errors import ConflictError, InputError, NotFoundError
from data.records import ImportKind
from data.store import PreferenceStore
from data.support.disk import written_to

MOST_UPLOADS = 20
_AT_ONCE = 2  # each inspection may use app.file_reading.process.MEMORY


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file to inspect. None values are detected; source then is the file's name."""

    name: str
    kind: ImportKind
    format: str | None = None
    source: str | None = None
    license: str | None = None

    @property
    def file_name(self) -> str:
        """The name without directories."""
        return Path(self.name).name


def _ending(name: str) -> str:
    """Return the part of a name that determines the file type."""
    endings = (ending for container in CONTAINERS for ending in container.suffixes)
    known = [ending for ending in endings if name.lower().endswith(ending)]
    if known:
        return max(known, key=len)
    other = re.search(r"\.[a-z0-9]{1,9}\Z", name.lower())
    return other[0] if other else ""


class Uploads:
    """The uploads of a home. A file that is not imported is dropped at a restart, or when there are many newer ones."""

    def __init__(
        self,
        store: PreferenceStore,
        jobs: Jobs,
        directory: Path,
        limits: FileLimits,
        settings: SettingsFile = HERE,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._directory = directory
        self._uploads = directory / "uploads"
        self._limits = limits
        self._settings = settings
        self._looks: dict[str, Look] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        shutil.rmtree(self._uploads, ignore_errors=True)

    async def receive(self, upload: Upload, blocks: AsyncIterator[bytes]) -> Path:
        """Store an incoming file under a name of our own, since the given one may be invalid on this file system.

        Raises InputError for a file that is too large, or without a name; DiskFullError.
        """
        name = upload.file_name
        if not name or name.startswith("."):
            raise InputError("The file '{name}' has no name that says what it is.", name=upload.name)
        stored = f"upload{_ending(name)}"
        folder = self._uploads / secrets.token_urlsafe(12)
        try:
            with written_to(self._uploads):
                folder.mkdir(parents=True)
                await self._write(name, folder / stored, blocks)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return folder / stored

    async def _write(self, name: str, path: Path, blocks: AsyncIterator[bytes]) -> None:
        size = 0
        with path.open("wb") as file:
            async for block in blocks:
                size += len(block)
                if size > self._limits.file:
                    raise InputError(
                        "{name} has more than {most} bytes. Split it, or raise file_mb in [imports] of {settings} "
                        "and restart the server.",
                        name=name,
                        most=self._limits.file,
                        settings=str(self._settings.path),
                    )
                file.write(block)

    async def inspect(self, upload: Upload, file: Path) -> tuple[str, Look]:
        """Read an uploaded file to its end; returns a token to import it with.

        If cancelled, it ends promptly and the file is deleted, as after any error. Raises InputError.
        """
        ended = threading.Event()

        def go_on(_: int) -> None:
            if ended.is_set():
                raise ConflictError("Nobody waits for this file any more.")

        try:
            async with self._turns:
                return await asyncio.to_thread(self._look, upload, file, go_on)
        except asyncio.CancelledError:
            shutil.rmtree(file.parent, ignore_errors=True)  # it may have been cancelled before its turn
            raise
        finally:
            ended.set()

    def _look(self, upload: Upload, file: Path, go_on: RowProgress) -> tuple[str, Look]:
        token = file.parent.name
        brought = Brought(file, upload.file_name, upload.kind, upload.format)
        try:
            seen = inspect(brought, self._limits, source=upload.source, license=upload.license, progress=go_on)
        except BaseException:
            shutil.rmtree(file.parent, ignore_errors=True)
            raise
        self._looks[token] = seen
        while len(self._looks) > MOST_UPLOADS:
            self.forget(next(iter(self._looks)))
        return token, seen

    def begin(self, token: str, started_by: int | None) -> Job:
        """Start the import of an inspected file. Raises NotFoundError."""
        seen = self._looks.pop(token, None)
        if seen is None:
            raise NotFoundError("This file is not here any more. Choose it again.")

        def work(job: Job) -> int:
            try:
                with written_to(self._directory):
                    return save(
                        self._store, seen, self._limits, self._directory, started_by=started_by, progress=job.tell
                    ).id
            finally:
                shutil.rmtree(self._uploads / token, ignore_errors=True)

        return self._jobs.begin("import", seen.rows, work)

    def forget(self, token: str) -> None:
        """Delete an inspected file; does nothing if it is gone."""
        # only known tokens: one from outside may be any text, such as ".."
        if self._looks.pop(token, None) is not None:
            shutil.rmtree(self._uploads / token, ignore_errors=True)

    def bad_rows(self, import_id: int) -> Path:
        """Return the file of an import's rejected rows. Raises NotFoundError when there are none."""
        file = bad_rows_of(self._directory, import_id)
        if not file.exists():
            raise NotFoundError("Import {number} left no row out.", number=import_id)
        return file
