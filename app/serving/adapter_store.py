"""The adapters directory: immutable LoRA directories by version name, installed atomically.

Which of them serves is the router's business.
"""

import shutil
from pathlib import Path

from pydantic import BaseModel
from safetensors import SafetensorError, safe_open

from data.errors import AdapterError
from trainer.interface.adapter_files import WEIGHTS, directory_sha256
from trainer.interface.manifest import Canary, Manifest

_MANIFEST = "prefloop.json"
_WAY_OUT = (
    "bring its directory back from a backup (`prefloop restore`), or serve another version: `prefloop adapter list` "
    "has them, `prefloop adapter promote NAME` serves one, and `base`, the model without an adapter, is always there"
)


class _ServedManifest(BaseModel):
    """The part of a manifest that serving needs; it stays readable when the report's format changes."""

    canary: Canary


class AdapterStore:
    """`adapters/` of a home: one directory per version, never overwritten or renamed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def path(self, name: str) -> Path:
        """Return the directory of a version, whether or not it exists."""
        return self._path / name

    def install(self, name: str, source: Path, manifest: Manifest) -> Path:
        """Copy a trained adapter here under its version name, with its manifest.

        Raises AdapterError when the name is in use or the files are not those in the manifest. If the same adapter is
        here already it is kept, as a restarted installation calls this twice.
        """
        target = self.path(name)
        if not target.exists():
            part = self._path / f".{name}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copytree(source, part)
                (part / _MANIFEST).write_text(manifest.model_dump_json(indent=2))
                part.rename(target)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        self.verify(name, manifest.adapter_sha256)
        return target

    def verify(self, name: str, sha256: str) -> Path:
        """Return a version's directory if its files hash to sha256. Raises AdapterError otherwise."""
        path = self.path(name)
        if not path.is_dir():
            raise AdapterError(f"adapter {name} is refused: its directory {path} is gone; {_WAY_OUT}")
        try:
            found = directory_sha256(path)
        except AdapterError as error:
            raise AdapterError(f"{error}; {_WAY_OUT}") from error
        if found != sha256:
            raise AdapterError(
                f"adapter {name} is refused: its files have changed since it was trained "
                f"(sha256 {found[:12]}, recorded {sha256[:12]}); {_WAY_OUT}"
            )
        return path

    def rank(self, name: str) -> int:
        """Return the largest rank in a version. Raises AdapterError when its weights cannot be read."""
        file = self.path(name) / WEIGHTS
        try:
            with safe_open(file, "pt") as tensors:
                shapes = [tensors.get_slice(key).get_shape() for key in tensors.keys() if ".lora_A." in key]  # noqa: SIM118  # no mapping
        except (OSError, SafetensorError) as error:
            raise AdapterError(f"adapter {name}: {file} cannot be read ({error})") from error
        return max(int(shape[0]) for shape in shapes)

    def canary(self, name: str) -> Canary:
        """Return a version's canary. Raises AdapterError when its manifest is missing or damaged."""
        file = self.path(name) / _MANIFEST
        try:
            return _ServedManifest.model_validate_json(file.read_text()).canary
        except (OSError, ValueError) as error:
            raise AdapterError(f"adapter {name} is refused: {file} cannot be read ({error})") from error
