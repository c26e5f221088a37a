"""The digest of a file, or of all files of a directory. Knows nothing of what is in them."""

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """64 hexadecimal digits; of a directory, over its files' names and digests. Raises OSError."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for file_path in sorted(one for one in path.rglob("*") if one.is_file()):
        digest.update(f"{file_path.relative_to(path).as_posix()}\0{file_sha256(file_path)}\n".encode())
    return digest.hexdigest()
