"""Which pair an annotator gets next: one rule. Knows nothing of how a pair is lent.

Of the pairs that still want a judgment, the one of highest priority, then the oldest, that is not
promised to others in full and that this annotator has not judged or skipped. The search costs one or
two microseconds for each pair it passes over because this annotator judged it and others still have to.
"""

import sqlite_utils

from data.database import first
from data.leases import TAKEN

_NEXT = f"""
    select p.id from pair p
    where p.judged < p.target_judgments and p.withdrawn_at is null {{of_version}}
    and not exists (
      select 1 from current_judgment j where j.pair_id = p.id and j.annotator_id = :annotator)
    and {TAKEN} < p.target_judgments
    order by p.priority desc, p.id limit 1
"""
# Two texts, because "of any version or of this" in one would keep SQLite from both partial indexes.
_NEXT_OF_ANY = _NEXT.format(of_version="")
_NEXT_OF_VERSION = _NEXT.format(of_version="and p.version_id = :version")


def next_pair(db: sqlite_utils.Database, annotator_id: int, *, now: int, version_id: int | None) -> int | None:
    """The id of the next pair (of one version, if given), None when nothing waits for this annotator."""
    params = {"annotator": annotator_id, "now": now, "version": version_id}
    row = first(db, _NEXT_OF_ANY if version_id is None else _NEXT_OF_VERSION, params)
    return None if row is None else int(row["id"])
