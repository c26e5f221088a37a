"""Rows of the judgment table: compute their digests, and turn them into records."""

import json
from collections.abc import Mapping

from data.db.database import Row
from data.records import Choice, Flag, Judgment, Remarks
from data.support.digests import row_digest

CONTENT = (
    "pair_id",
    "annotator_id",
    "lease_id",
    "idempotency_key",
    "choice",
    "strength",
    "swapped",
    "elapsed_ms",
    "supersedes_id",
    "created_at",
)
"""The columns that the sha256 of a row of content version 1 covers."""


REMARKS_CONTENT = (*CONTENT, "reasons", "comment", "flag", "guideline_id", "follows_id")
"""The columns that the sha256 of a row of content version 2, the current one, covers."""


_CONTENT_VERSION = 2


def judgment_row(row: Mapping[str, object]) -> dict[str, object]:
    """Return all columns of a judgment but its id: missing ones as None, and the digest."""
    content = dict.fromkeys(REMARKS_CONTENT) | dict(row)
    return content | {"sha256": row_digest(content, REMARKS_CONTENT), "content_version": _CONTENT_VERSION}


def content_of(row: Row) -> tuple[str, ...]:
    """Return the columns that a row's sha256 covers."""
    return CONTENT if row["content_version"] == 1 else REMARKS_CONTENT


def judgment_of(row: Row) -> Judgment:
    """Return a row as a judgment."""
    return Judgment(
        id=row["id"],
        pair_id=row["pair_id"],
        annotator_id=row["annotator_id"],
        choice=Choice(row["choice"]),
        strength=row["strength"],
        swapped=bool(row["swapped"]),
        elapsed_ms=row["elapsed_ms"],
        supersedes_id=row["supersedes_id"],
        created_at=row["created_at"],
        remarks=_remarks(row),
        guideline_id=row["guideline_id"],
        follows_id=row["follows_id"],
        edit=row["edit"],
    )


def _remarks(row: Row) -> Remarks:
    reasons = json.loads(row["reasons"] or '{"a": [], "b": []}')
    flag = None if row["flag"] is None else Flag(row["flag"])
    return Remarks(tuple(reasons["a"]), tuple(reasons["b"]), row["comment"] or "", flag)
