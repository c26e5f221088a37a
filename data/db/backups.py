"""Back up, verify and restore a home. A backup is a directory with the home's files and a list of their digests.

The store is copied first, as of one moment, while others keep writing; then the files, which never change
once they exist (versions) or are replaced as a whole (rounds). So a version that the copied store names is in the copy,
and a round that was training resumes from the copy as it would after a kill.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from data.db.database import copy_database
from data.errors import ConflictError, HomeError, InputError
from data.support.atomic_files import replacing_directory
from data.support.clock import Clock, now_ms
from data.support.disk import free_bytes, written_to
from data.support.private_files import written_privately

LIST = "backup.json"
_PREFIX = "prefloop-"
_BLOCK = 1 << 20
_MB = 1_000_000
_FIRST = "manifest.json"
"""Copied first of a round's files: without it a round resumes from its checkpoint; if it exists, all others do, too."""

CopyTold = Callable[[int], None]
"""Called from time to time with the bytes copied since; may raise to cancel, and then nothing is left behind."""


def unheard(_: int) -> None:
    """Ignore the progress."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of a backup."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup. created_at: ms since the Unix epoch; files: by path relative to the home, with / as separator."""

    path: Path
    created_at: int
    software: str
    files: Mapping[str, KeptFile]

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(file.bytes for file in self.files.values())


def back_up(
    database: Path, parts: Iterable[Path], directory: Path, *, clock: Clock = now_ms, told: CopyTold = unheard
) -> Backup:
    """Copy a home into a new directory, named by the time, inside `directory`.

    database: the store's file, directly in the home; parts: the other files and directories of the home, where they
    exist. Raises HomeError when something cannot be read or written or there is not enough room, and what `told`
    raises; an unfinished backup is never left behind.
    """
    home, made_at = database.parent, clock()
    moment = datetime.fromtimestamp(made_at / 1000, UTC)
    path = directory / f"{_PREFIX}{moment:%Y-%m-%dT%H-%M-%S-%f}"
    with written_privately(), written_to(directory):
        parts = list(parts)
        directory.mkdir(parents=True, exist_ok=True)
        _assert_room(sum(file.stat().st_size for file in (database, *_files(parts))), directory)
        with replacing_directory(path) as fresh:
            copy_database(database, fresh / database.name, told)
            files = {database.name: _read(fresh / database.name, None, told)}
            for file in _files(parts):
                name = file.relative_to(home).as_posix()
                try:
                    files[name] = _read(file, fresh / name, told)
                except FileNotFoundError:  # deleted meanwhile
                    (fresh / name).unlink(missing_ok=True)
            made = Backup(path, made_at, f"prefloop {version('prefloop')}", files)
            (fresh / LIST).write_text(json.dumps(_said(made), indent=1), "utf-8")
    return made


def restore(path: Path, home: Path, *, told: CopyTold = unheard) -> Backup:
    """Create a home from a backup, atomically, and only if every file matches its digest.

    Raises InputError for an invalid or damaged backup, ConflictError unless `home` is free or an empty
    directory, HomeError when it cannot be written.
    """
    found = read_backup(path)
    with written_privately(), written_to(home):
        _assert_room(found.bytes, home)
        home.parent.mkdir(parents=True, exist_ok=True)
        try:
            with replacing_directory(home) as fresh:
                for name, kept in found.files.items():
                    _proved(path / name, kept, fresh / name, told)
        except FileExistsError as error:
            raise ConflictError(
                f"{home} is not empty, and nothing is written over; move it away, or name another home with --home"
            ) from error
    return found


def verify(path: Path, *, told: CopyTold = unheard) -> Backup:
    """Return a backup after checking every file against its digest. Raises InputError as `restore` does."""
    found = read_backup(path)
    for name, kept in found.files.items():
        _proved(path / name, kept, None, told)
    return found


def read_backup(path: Path) -> Backup:
    """Return a backup as its list describes it, without checking the files. Raises InputError when it is none."""
    try:
        said = json.loads((path / LIST).read_text("utf-8"))
        files = {_inside(path, name): KeptFile(**kept) for name, kept in said["files"].items()}
        return Backup(path, int(said["created_at"]), str(said["software"]), files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no backup of prefloop: {LIST} cannot be read ({error})") from error


def backups_in(directory: Path) -> list[Backup]:
    """Return the backups in a directory, newest first; anything else there is ignored."""
    found = []
    for path in directory.glob(f"{_PREFIX}*"):
        try:
            found.append(read_backup(path))
        except InputError:
            continue
    return sorted(found, key=lambda backup: (backup.created_at, backup.path.name), reverse=True)


def keep_newest(directory: Path, keep: int) -> list[Backup]:
    """Delete all backups in a directory but the newest `keep`; return the deleted ones. Raises HomeError."""
    old = backups_in(directory)[keep:]
    for backup in old:
        with written_to(backup.path):
            (backup.path / LIST).unlink()  # first, so that a half-deleted one is no backup any more
            shutil.rmtree(backup.path)
    return old


def _said(made: Backup) -> dict[str, object]:
    files = {name: asdict(file) for name, file in made.files.items()}
    return {"created_at": made.created_at, "software": made.software, "files": files}


def _files(parts: Iterable[Path]) -> Iterator[Path]:
    """Yield the files to copy, except those still being written."""
    for part in parts:
        if part.is_file():
            yield part
            continue
        for folder, folders, names in os.walk(part):
            folders[:] = sorted(name for name in folders if not _is_fresh(name))
            names.sort(key=lambda name: (name != _FIRST, name))
            yield from (Path(folder, name) for name in names if not _is_fresh(name))


def _is_fresh(name: str) -> bool:
    return name.endswith((".part", ".tmp")) or name in ("uploads", ".lock") or name.startswith("errand-")


def _read(source: Path, target: Path | None, told: CopyTold) -> KeptFile:
    """Read a file, and copy it if a target is given; return its size and digest."""
    digest, size = hashlib.sha256(), 0
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file, nullcontext() if target is None else target.open("wb") as copy:
        while block := file.read(_BLOCK):
            if copy is not None:
                copy.write(block)
            digest.update(block)
            size += len(block)
            told(len(block))
    return KeptFile(size, digest.hexdigest())


def _proved(path: Path, kept: KeptFile, target: Path | None, told: CopyTold) -> None:
    """Check a file of a backup, and copy it if a target is given. Raises InputError unless it matches its digest."""
    if not path.is_file():
        raise InputError(f"the backup is damaged: {path} is gone; take another backup")
    if _read(path, target, told) != kept:
        raise InputError(f"the backup is damaged: {path} is not as it was made; take another backup")


def _inside(path: Path, name: str) -> str:
    """Return a file name from a backup's list. Raises InputError for one that leads out of the backup."""
    if PurePosixPath(name).is_absolute() or not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise InputError(f"{path} is no backup of prefloop: {name!r:.80} leads out of it")
    return name


def _assert_room(needed: int, place: Path) -> None:
    free = free_bytes(place)
    if needed > free:
        raise HomeError(
            "{needed} MB are to be copied, and {free} MB are free in {place}. Make room, or name another place.",
            needed=-(-needed // _MB),
            free=free // _MB,
            place=str(place),
        )
