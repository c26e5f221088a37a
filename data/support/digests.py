"""Canonical JSON and sha256 digests of values, rows and files, so that equal content has one digest."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path


def canonical(value: object) -> str:
    """Return the canonical JSON text of a value: keys sorted, no spaces, non-ASCII characters unescaped.

    Raises ValueError for what JSON cannot hold (NaN, infinities).
    """
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256(text: str) -> str:
    """Return the sha256 of a text as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def row_digest(row: Mapping[str, object], columns: Sequence[str]) -> str:
    """Return the sha256 of some columns of a row, to check later that they are unchanged."""
    return sha256(canonical([row[column] for column in columns]))


def file_sha256(path: Path) -> str:
    """Return a file's sha256 in hexadecimal; for a directory, over its files' names and digests. Raises OSError."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for file_path in sorted(one for one in path.rglob("*") if one.is_file()):
        digest.update(f"{file_path.relative_to(path).as_posix()}\0{file_sha256(file_path)}\n".encode())
    return digest.hexdigest()
