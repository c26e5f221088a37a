"""A lock that lets one process own a home.

It is a kernel lock (flock), released with the process however that ends; the file's content
only says who holds it, and the file stays on purpose: deleting a lock file would let two processes in.
"""

import fcntl
import json
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from data.errors import HomeError
from data.support.private_files import written_privately

LOCK_NAME = "prefloop.lock"
_CONTENT_BYTES = 512  # fixed size, in one write: a reader never sees half of it
_PATIENCE_S = 1.0
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that holds a home (None just before it has written its id), and the address it serves."""

    pid: int | None
    url: str | None


class HomeLock:
    """The right to use a home, held until `release` or the end of the process."""

    def __init__(self, home: Path, *, url: str | None = None) -> None:
        """Take the lock, creating the directory if needed; while it is held, files are created for their owner alone.

        Waits up to a second for an owner that is just leaving. Raises HomeError naming the owner's
        process and address when held, or the reason when the directory cannot be used.
        """
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(home / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise HomeError(f"{home} cannot be used as a home: {error.strerror}; choose another --home") from error
        if not _locked(self._descriptor):
            os.close(self._descriptor)
            raise HomeError(_held_by(home))
        self._private = ExitStack()
        self._private.enter_context(written_privately())
        self.announce(url)

    def announce(self, url: str | None) -> None:
        """Write who holds the home and its address, for other processes to read."""
        content = json.dumps({"pid": os.getpid()} | ({"url": url} if url else {}))
        os.pwrite(self._descriptor, content.ljust(_CONTENT_BYTES).encode(), 0)

    def release(self) -> None:
        """Release the lock. Idempotent."""
        if self._descriptor >= 0:
            # Closing alone would leave the lock with a child process that is just being started.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = -1
            self._private.close()

    def __enter__(self) -> "HomeLock":
        """Use with `with`, which ends in release()."""
        return self

    def __exit__(self, *_: object) -> None:
        """Call release()."""
        self.release()


def owner_of(home: Path) -> Owner | None:
    """Return who holds the home now, or None if nobody does (or it is no home)."""
    try:
        descriptor = os.open(home / LOCK_NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _named_in(home / LOCK_NAME)
    finally:
        os.close(descriptor)
    return None


def _locked(descriptor: int) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE_S)
        else:
            return True


def _named_in(path: Path) -> Owner:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return Owner(pid=None, url=None)
    return Owner(pid=content["pid"], url=content.get("url"))


def _held_by(home: Path) -> str:
    owner = _named_in(home / LOCK_NAME)
    who = f"process {owner.pid}" if owner.pid else "another process"
    where = f", which serves {owner.url}" if owner.url else ""
    return f"{home} is in use by {who}{where}; stop that one first, or choose another --home"
