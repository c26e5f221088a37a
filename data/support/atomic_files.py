"""Write files and directories atomically: they appear whole or not at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file next to `path` (empty, private) to fill; it replaces `path` at the end.

    After an exception `path` is unchanged and the temporary file is gone. What was written survives a power
    loss once the block is left. Raises OSError when the directory cannot be written.
    """
    neighbour = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    neighbour.touch(mode=0o600, exist_ok=False)
    try:
        yield neighbour
        _flush(neighbour)
        neighbour.replace(path)
    finally:
        neighbour.unlink(missing_ok=True)
    _flush(path.parent)


@contextmanager
def replacing_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary directory next to `path` (empty, private) to fill; it becomes `path` at the end.

    After an exception `path` is unchanged and the temporary one is gone. What was written survives a power loss once
    the block is left. Raises FileExistsError at once if `path` is anything but an empty directory, since replacing it
    would delete somebody's files; other OSErrors when the directory above cannot be written.
    """
    if path.is_symlink() or (path.exists() and not (path.is_dir() and not any(path.iterdir()))):
        raise FileExistsError(errno.EEXIST, "there is something already; name a new directory", str(path))
    neighbour = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    neighbour.mkdir(mode=0o700)
    try:
        yield neighbour
        for directory, _, names in os.walk(neighbour):
            for name in names:
                _flush(Path(directory, name))
            _flush(Path(directory))
        neighbour.rename(path)
    finally:
        shutil.rmtree(neighbour, ignore_errors=True)
    _flush(path.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
