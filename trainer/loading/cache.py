"""The cache of unpacked models: one directory a model, outside every home, written whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ValidationError

from data.errors import ModelError
from data.support.atomic_files import replacing_directory

CARD = "prefloop_source.json"


class CacheSource(BaseModel):
    """What a directory in the cache was made from, kept in it.

    sha256 is of the GGUF file: it stays the same when another version of transformers writes the directory anew, and
    so is what a home is bound to. package: requirement of the package index, if it came from there.
    """

    file: str
    sha256: str
    license: str | None = None
    package: str | None = None


def cache_folder() -> Path:
    """Where unpacked models lie: $PREFLOOP_CACHE, else prefloop/models in $XDG_CACHE_HOME or ~/.cache."""
    if own := os.environ.get("PREFLOOP_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "prefloop" / "models"


def cached(folder: str, make: Callable[[Path], CacheSource]) -> Path:
    """The directory of this name in the cache, made by `make` in an empty one if it is not there yet.

    Another process may make the same at the same time: whoever is first wins. Raises ModelError when the cache
    cannot be written.
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
    """Whether a directory of the cache is complete: it appears whole, its card with it."""
    return (place / CARD).is_file()


def source_of(directory: Path) -> CacheSource | None:
    """What a directory was made from; None for one that prefloop did not make."""
    try:
        return CacheSource.model_validate_json((directory / CARD).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None
