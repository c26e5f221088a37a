"""The files that people bring to a server: kept aside, looked at, and taken in when somebody says so.

Knows nothing of HTTP.
"""

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
_AT_ONCE = 2  # each look may take as much memory as file_process.MEMORY


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to look at. What is None is found out; source is the file's name then."""

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
    """What of a name says what kind of file it is."""
    endings = (ending for container in CONTAINERS for ending in container.suffixes)
    known = [ending for ending in endings if name.lower().endswith(ending)]
    if known:
        return max(known, key=len)
    other = re.search(r"\.[a-z0-9]{1,9}\Z", name.lower())
    return other[0] if other else ""


class Uploads:
    """The imports of a home. A file that nobody takes in is forgotten with the next server, or for newer ones."""

    def __init__(
        self,
        store: PreferenceStore,
        errands: Jobs,
        directory: Path,
        limits: FileLimits,
        settings: SettingsFile = HERE,
    ) -> None:
        self._store = store
        self._errands = errands
        self._directory = directory
        self._uploads = directory / "uploads"
        self._limits = limits
        self._settings = settings
        self._looks: dict[str, Look] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        shutil.rmtree(self._uploads, ignore_errors=True)

    async def receive(self, upload: Upload, blocks: AsyncIterator[bytes]) -> Path:
        """Keep a file aside while it comes in, under a name of ours: a given one may be none to this file system.

        Raises InputError for one that is too large, or without a name; DiskFullError.
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
        """Read a file that came in to its end; the answer is the token to take it in by.

        Cancelled, it ends within a moment, and the file is thrown away, as with any error. Raises InputError.
        """
        ended = threading.Event()

        def go_on(_: int) -> None:
            if ended.is_set():
                raise ConflictError("Nobody waits for this file any more.")

        try:
            async with self._turns:
                return await asyncio.to_thread(self._look, upload, file, go_on)
        except asyncio.CancelledError:
            shutil.rmtree(file.parent, ignore_errors=True)  # it may never have had its turn
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

    def begin(self, token: str, started_by: int) -> Job:
        """Take in a file that was looked at. Raises NotFoundError."""
        seen = self._looks.pop(token, None)
        if seen is None:
            raise NotFoundError("This file is not here any more. Choose it again.")

        def work(errand: Job) -> int:
            try:
                with written_to(self._directory):
                    return save(
                        self._store, seen, self._limits, self._directory, started_by=started_by, progress=errand.tell
                    ).id
            finally:
                shutil.rmtree(self._uploads / token, ignore_errors=True)

        return self._errands.begin("import", seen.rows, work)

    def forget(self, token: str) -> None:
        """Throw away a file that was looked at; harmless if it is gone."""
        # only what is known: a token from outside may be any text, such as ".."
        if self._looks.pop(token, None) is not None:
            shutil.rmtree(self._uploads / token, ignore_errors=True)

    def bad_rows(self, import_id: int) -> Path:
        """The file of rows that an import left out. Raises NotFoundError when there are none."""
        file = bad_rows_of(self._directory, import_id)
        if not file.exists():
            raise NotFoundError("Import {number} left no row out.", number=import_id)
        return file
