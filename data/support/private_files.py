"""Make files readable by their owner only.

A home holds people's texts and secrets, so other users of the machine get no access. The process that owns a home
runs with OTHERS as its umask (see data/db/lock.py); what an older prefloop left open is tightened at its start.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

OTHERS = 0o077
"""The permissions of everybody but the owner."""


@contextmanager
def written_privately() -> Iterator[None]:
    """Make this process, and those it starts, create files for their owner alone until the block ends."""
    before = os.umask(OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def tightened(paths: Iterable[Path], *, inside: bool = True) -> int:
    """Remove others' permissions from these files, and from directories with all inside; return how many had some.

    Links and missing files are left alone. Raises OSError for files that belong to somebody else.
    """
    return sum(_tightened(one) for path in paths for one in _all_in(path, inside=inside))


def _all_in(path: Path, *, inside: bool) -> Iterator[Path]:
    yield path
    if not inside or path.is_symlink() or not path.is_dir():
        return
    for directory, folders, files in os.walk(path):
        yield from (Path(directory, name) for name in (*folders, *files))


def _tightened(path: Path) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:  # never made, or gone meanwhile
        return False
    rights = stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode) or not rights & OTHERS:
        return False
    path.chmod(rights & ~OTHERS)
    return True
