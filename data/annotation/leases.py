"""Grant and release leases of pairs to annotators, inside a write transaction. queue.py picks the pair.

An annotator holds one lease at most. When it expires, the pair can be offered to others; a late judgment is still
accepted while the pair needs one.
"""

import secrets
from dataclasses import dataclass

import sqlite_utils

from data.db.database import Row, first, insert
from data.errors import NotFoundError

TAKEN = """
    (p.judged + (select count(*) from lease l
      where l.pair_id = p.id and l.released_at is null and l.expires_at > :now))
"""
"""SQL: how many of the judgments that pair p needs are given or under lease at :now."""

_RECENT = 50
_LARGEST_LEAN = 3


@dataclass(frozen=True, slots=True)
class Term:
    """The start and the duration of a lease (ms)."""

    now: int
    duration_ms: int


def held(db: sqlite_utils.Database, annotator_id: int, *, now: int) -> Row | None:
    """Return the annotator's open lease, None if there is none or it has expired."""
    sql = "select * from lease where annotator_id = ? and released_at is null and expires_at > ?"
    return first(db, sql, [annotator_id, now])


def has_room(db: sqlite_utils.Database, pair_id: int, annotator_id: int, *, now: int) -> bool:
    """Return whether the pair still needs this annotator's judgment; their own open lease keeps a place for them."""
    own = held(db, annotator_id, now=now)
    used = "p.judged" if own is not None and own["pair_id"] == pair_id else TAKEN
    sql = f"select 1 from pair p where p.id = :pair and {used} < p.target_judgments"
    return first(db, sql, {"pair": pair_id, "now": now}) is not None


def grant(
    db: sqlite_utils.Database,
    pair_id: int,
    annotator_id: int,
    term: Term,
    *,
    swapped: bool | None = None,
    strategy: str | None = None,
    propensity: float | None = None,
    changes_id: int | None = None,
) -> int:
    """Lease a pair to an annotator, releasing what they held, and return the lease's id; sides at random unless given.

    strategy, propensity: how the queue chose the pair and with what probability; None if the queue did not.
    changes_id: the judgment that one on this lease will replace. Notes the guideline in force. Raises NotFoundError
    for an unknown annotator.
    """
    if not first(db, "select 1 from annotator where id = ?", [annotator_id]):
        raise NotFoundError(f"there is no annotator {annotator_id}")
    give_back(db, annotator_id, now=term.now)
    lease = {
        "pair_id": pair_id,
        "annotator_id": annotator_id,
        "token": secrets.token_urlsafe(24),
        "swapped": int(_drawn_side(db, annotator_id) if swapped is None else swapped),
        "leased_at": term.now,
        "expires_at": term.now + term.duration_ms,
        "strategy": strategy,
        "propensity": propensity,
        "guideline_id": _guideline_in_force(db),
        "changes_id": changes_id,
    }
    return insert(db, "lease", lease)


def give_back(db: sqlite_utils.Database, annotator_id: int, *, now: int, pair_id: int | None = None) -> None:
    """Release the annotator's lease; with pair_id only if it is of this pair."""
    db.execute(
        """
        update lease set released_at = ?
        where annotator_id = ? and released_at is null and pair_id = coalesce(?, pair_id)
        """,
        [now, annotator_id, pair_id],
    )


def _guideline_in_force(db: sqlite_utils.Database) -> int | None:
    row = first(db, "select max(id) as id from guideline")
    return None if row is None else row["id"]


def _drawn_side(db: sqlite_utils.Database, annotator_id: int) -> bool:
    """Flip a coin for the sides, except that no side may lead the annotator's recent leases by more than three.

    A pair leased again with the same sides, after an undo, counts once: otherwise undoing would bias the coin.
    """
    row = first(
        db,
        """
        select coalesce(sum(2 * swapped - 1), 0) as lean
        from (select distinct pair_id, swapped
          from (select pair_id, swapped from lease where annotator_id = ? order by id desc limit ?))
        """,
        [annotator_id, _RECENT],
    )
    assert row is not None
    if abs(row["lean"]) >= _LARGEST_LEAN:
        return bool(row["lean"] < 0)
    return secrets.choice((False, True))
