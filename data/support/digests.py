"""Canonical JSON and its sha256, so that equal content has one digest. Knows nothing of tables."""

import hashlib
import json
from collections.abc import Mapping, Sequence


def canonical(value: object) -> str:
    """The one JSON text of a value: keys sorted, no spaces, UTF-8 as it is.

    Raises ValueError for what JSON cannot hold (NaN, infinities).
    """
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256(text: str) -> str:
    """The sha256 of a text as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def row_digest(row: Mapping[str, object], columns: Sequence[str]) -> str:
    """The sha256 of some columns of a row, to tell later whether they are as they were written."""
    return sha256(canonical([row[column] for column in columns]))
