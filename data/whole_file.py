"""Files that appear whole or not at all. Knows nothing of what is in them."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary neighbour (empty, private) to fill; it takes the place of `path` at the end.

    After an exception `path` is as it was and the neighbour is gone. What was written survives a power
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


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
