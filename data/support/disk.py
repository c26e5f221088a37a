"""Full disks, told from other troubles and said in words. Knows nothing of what is written."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import DiskFullError, HomeError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_HARDLY_ANY = 1 << 20
"""Bytes: whoever could write no more, and left less than these, had no room."""


def free_bytes(place: Path) -> int:
    """What may still be written at a place that is there, or will be."""
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def is_full(error: BaseException | None, place: Path) -> bool:
    """Whether an error in writing there came of a full disk: it says so, or what it came of does, or no room is left.

    torch and SQLite have errors of their own for it, which do not say why.
    """
    if error is None:
        return free_bytes(place) < _HARDLY_ANY
    if isinstance(error, DiskFullError) or (isinstance(error, OSError) and error.errno in _NO_ROOM):
        return True
    return is_full(error.__cause__ or error.__context__, place)


@contextmanager
def written_to(place: Path) -> Iterator[None]:
    """Turn what keeps a file from being written there into words.

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
