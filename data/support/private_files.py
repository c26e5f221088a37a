"""Files that nobody but their owner can read. Knows nothing of what is in them.

Other users of a machine get nothing of a home: it has what people wrote, and secrets. The process that owns a home
writes under OTHERS as its umask (see data/db/lock.py); what an older prefloop left open is tightened at the start.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

OTHERS = 0o077
"""The rights of all but the owner."""


@contextmanager
def written_privately() -> Iterator[None]:
    """Until the block ends, what this process makes, and those it starts, is for its owner alone."""
    before = os.umask(OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def tightened(paths: Iterable[Path], *, inside: bool = True) -> int:
    """Take the rights of others from these files, and from directories with all inside; how many had some.

    Links are left alone, and so is what is not there. Raises OSError for what belongs to somebody else.
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
