"""Tell full disks from other write errors, and turn both into errors with a clear message."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import DiskFullError, HomeError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_HARDLY_ANY = 1 << 20
"""Bytes: if a write failed and less than this is free, the disk was full."""


def free_bytes(place: Path) -> int:
    """Return the free bytes at a path that exists or will be created."""
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def is_full(error: BaseException | None, place: Path) -> bool:
    """Return whether an error in writing to a place came of a full disk, by its kind, its cause or the space left.

    torch and SQLite raise errors of their own for it, which do not say why; so the space left decides.
    """
    if error is None:
        return free_bytes(place) < _HARDLY_ANY
    if isinstance(error, DiskFullError) or (isinstance(error, OSError) and error.errno in _NO_ROOM):
        return True
    return is_full(error.__cause__ or error.__context__, place)


@contextmanager
def written_to(place: Path) -> Iterator[None]:
    """Turn OSErrors in writing to a place into errors with a clear message.

    Raises DiskFullError, and HomeError for any other OSError.
    """
    try:
        yield
    except OSError as error:
        if is_full(error, place):
            raise DiskFullError(place) from error
        raise HomeError(
            "{place} cannot be written: {reason}. Check the disk and the permissions.",
            place=str(place),
            reason=error.strerror or str(error),
        ) from error
