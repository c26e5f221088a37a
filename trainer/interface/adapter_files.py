"""Names and hash of the files of a PEFT adapter directory. Does not load weights, so it needs no torch."""

import hashlib
from pathlib import Path

from data.errors import AdapterError

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def directory_sha256(path: Path) -> str:
    """Return the hash of an adapter directory, over the names and contents of its weights and config.

    Raises AdapterError when either file is missing.
    """
    digest = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        file = path / name
        if not file.is_file():
            raise AdapterError(f"adapter {path}: {name} is missing; only safetensors adapters are served")
        digest.update(f"{name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
