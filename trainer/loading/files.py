"""Find a model's files: the built-in model, a known one or a GGUF file in the cache, a directory, or the hub.

Called by load_base before anything is loaded. Only a hub id may use the network, and only for files that are not on
this machine.
"""

import hashlib
import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from data.errors import ModelError
from trainer.interface.model_settings import BUILT_IN
from trainer.loading.cache import cache_folder, is_there, source_of
from trainer.loading.gguf import SUFFIX, is_gguf, unpacked
from trainer.loading.hub import hub_model
from trainer.loading.known_models import KNOWN_MODELS, KnownModel
from trainer.loading.license import ModelLicense, license_of

_DIGITS = 40
_DIGESTED = (".json", ".safetensors", ".bin", ".model", ".jinja", ".py")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model that can be loaded.

    name: what a home is bound to, and by which it is found again. source: a directory, or a hub id. local: whether it
    loads without the network. revision: None where only the hub knows it.
    """

    name: str
    source: str
    local: bool
    revision: str | None
    license: ModelLicense | None


def find_model(name: str) -> ModelFiles:
    """Find the files of a model by its name; a GGUF file is unpacked first.

    Raises ModelError naming the model, the reason and what to do.
    """
    if name == BUILT_IN:
        return _directory(name, Path(str(files("data") / "seed" / "tiny")))
    if name in KNOWN_MODELS:
        return _known(KNOWN_MODELS[name])
    path = Path(name).expanduser()
    if is_gguf(path):
        path = path.resolve()
        return _directory(os.fspath(path), unpacked(path))
    if path.exists():
        if not (path / "config.json").is_file():
            raise ModelError(
                f"model {name}: the directory has no config.json; give the folder that a model was saved to, or a "
                "GGUF file in it"
                if path.is_dir()
                else f"model {name} is a file, but no {SUFFIX}; give a directory with config.json, or a GGUF file"
            )
        path = path.resolve()
        return _directory(os.fspath(path), path)
    if name.startswith((".", "/", "~")) or name.count("/") != 1 or path.suffix.lower() == SUFFIX:
        known = ", ".join(KNOWN_MODELS)
        raise ModelError(
            f"model {name}: there is no such directory, and it is not a hub id like owner/name nor one of {known}"
        )
    return _hub(name)


def _known(model: KnownModel) -> ModelFiles:
    place = cache_folder() / model.folder
    if not is_there(place):
        raise ModelError(f"model {model.name} is not on this machine yet ({place}): get it once with `{model.command}`")
    return _directory(model.name, place)


def _directory(name: str, place: Path) -> ModelFiles:
    source = source_of(place)
    revision = source.sha256[:_DIGITS] if source else _digest(place)
    return ModelFiles(name, os.fspath(place), local=True, revision=revision, license=license_of(place))


def _hub(name: str) -> ModelFiles:
    found = hub_model(name)
    license_ = None if found.card is None else license_of(found.card.parent)
    if found.snapshot is None:
        return ModelFiles(name, name, local=False, revision=None, license=license_)
    # give the directory: for a hub name transformers always asks the hub for an adapter_config.json
    return ModelFiles(name, os.fspath(found.snapshot), local=True, revision=found.snapshot.name, license=license_)


def _digest(path: Path) -> str:
    """Hash a model directory by names, sizes and first MiB of its files, which is fast at any size."""
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()):
        if file.is_file() and file.suffix in _DIGESTED:
            digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
            with file.open("rb") as stream:
                digest.update(stream.read(1 << 20))
    return digest.hexdigest()[:_DIGITS]
