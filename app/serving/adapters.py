"""The adapters directory: immutable LoRA directories by version name, installed whole or not at all.

Knows nothing of which one serves.
"""

import shutil
from pathlib import Path

from data.errors import AdapterError
from trainer.adapter import directory_sha256
from trainer.manifest import Canary, Manifest

_MANIFEST = "prefloop.json"


class AdapterShelf:
    """`adapters/` of a home: one directory a version, never overwritten, never renamed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def path(self, name: str) -> Path:
        """Where a version lies or would lie."""
        return self._path / name

    def install(self, name: str, source: Path, manifest: Manifest) -> Path:
        """Copy a trained adapter in under its version name, with the manifest that proves it.

        Raises AdapterError when the name is taken or the files are not those the manifest names. A copy of
        the very same adapter that is there already is left as it is: a restarted swap comes here twice.
        """
        target = self.path(name)
        if not target.exists():
            part = self._path / f".{name}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, part)
            (part / _MANIFEST).write_text(manifest.model_dump_json(indent=2))
            part.rename(target)
        self.verify(name, manifest.adapter_sha256)
        return target

    def verify(self, name: str, sha256: str) -> Path:
        """The directory of a version whose files hash to sha256. Raises AdapterError otherwise."""
        path = self.path(name)
        found = directory_sha256(path)
        if found != sha256:
            raise AdapterError(
                f"adapter {name} is refused: its files have changed since it was trained "
                f"(sha256 {found[:12]}, recorded {sha256[:12]}); restore {path} from a backup or serve another version"
            )
        return path

    def manifest(self, name: str) -> Manifest:
        """What the trainer said of a version. Raises AdapterError when that file is missing or damaged."""
        file = self.path(name) / _MANIFEST
        try:
            return Manifest.model_validate_json(file.read_text())
        except (OSError, ValueError) as error:
            raise AdapterError(f"adapter {name} is refused: {file} cannot be read ({error})") from error

    def canary(self, name: str) -> Canary:
        """The canary of a version."""
        return self.manifest(name).canary
