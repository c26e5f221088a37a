"""The cache of unpacked models: one directory per model, outside every home, written completely or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ValidationError

from data.errors import ModelError
from data.support.atomic_files import replacing_directory

CARD = "prefloop_source.json"


class CacheSource(BaseModel):
    """What a directory in the cache was made from; stored in it.

    sha256: hash of the GGUF file, which a home is bound to; it stays the same when another version of transformers
    writes the directory again. package: requirement in the package index, if it came from there.
    """

    file: str
    sha256: str
    license: str | None = None
    package: str | None = None


def cache_folder() -> Path:
    """Return the cache directory: $PREFLOOP_CACHE, else prefloop/models in $XDG_CACHE_HOME or ~/.cache."""
    if own := os.environ.get("PREFLOOP_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "prefloop" / "models"


def cached(folder: str, make: Callable[[Path], CacheSource]) -> Path:
    """Return the cache directory of this name, created by `make` in an empty one if it does not exist yet.

    If another process makes the same one at the same time, the first wins. Raises ModelError when the cache cannot be
    written.
    """
    place = cache_folder() / folder
    if is_there(place):
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with replacing_directory(place) as part:
            (part / CARD).write_text(make(part).model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        if is_there(place):
            return place
        raise ModelError(
            f"the cache of models cannot be written: {place}: {error.strerror or error}; "
            "name another folder with PREFLOOP_CACHE"
        ) from error
    return place


def is_there(place: Path) -> bool:
    """Return whether a cache directory is complete; it appears atomically, with its source file."""
    return (place / CARD).is_file()


def source_of(directory: Path) -> CacheSource | None:
    """Return what a directory was made from; None for one that prefloop did not make."""
    try:
        return CacheSource.model_validate_json((directory / CARD).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None
