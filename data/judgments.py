"""What annotators say of pairs; rows are only ever added. Knows nothing of what is trained from them.

An undo adds a row that retracts; judging the pair again adds one that supersedes the retraction.
"""

from collections.abc import Mapping

import sqlite_utils

from data import leases
from data.clock import Clock
from data.database import Database, Row, first, insert
from data.digests import row_digest
from data.errors import ConflictError, InputError, NotFoundError
from data.pairs import Pairs
from data.records import Choice, Judgment, Lease, Verdict

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
"""The columns that a row's sha256 covers."""


class Judgments:
    """The judgments of a store. "Current" ones are neither retracted nor superseded."""

    def __init__(self, database: Database, clock: Clock, pairs: Pairs) -> None:
        self._database = database
        self._clock = clock
        self._pairs = pairs

    def record(self, annotator_id: int, lease_token: str, verdict: Verdict, *, idempotency_key: str) -> Judgment:
        """Keep a verdict, given in the sides as shown, and end its lease; durable once this returns.

        The same key again answers with the judgment kept at first. Raises InputError for a verdict
        that cannot be; NotFoundError for a lease that is not this annotator's; ConflictError when the
        key was used for something else, the lease or the pair is judged already, or the lease ended
        and others have given or hold all judgments the pair wants.
        """
        _assert_sensible(verdict, idempotency_key)
        now = self._clock()

        def work(db: sqlite_utils.Database) -> Row:
            lease = _lease_of(db, lease_token, annotator_id)
            said = {"choice": _in_pair_sides(verdict.choice, lease), "strength": verdict.strength}
            kept = first(db, "select * from judgment where idempotency_key = ?", [idempotency_key])
            if kept is not None:
                return _same(kept, lease, said)
            row = said | {
                "pair_id": lease["pair_id"],
                "annotator_id": annotator_id,
                "lease_id": lease["id"],
                "idempotency_key": idempotency_key,
                "swapped": lease["swapped"],
                "elapsed_ms": verdict.elapsed_ms,
                "supersedes_id": _superseded_by(db, lease, now),
                "created_at": now,
            }
            leases.give_back(db, annotator_id, now=now, pair_id=lease["pair_id"])
            return _inserted(db, row)

        return _judgment(self._database.write(work))

    def undo(self, annotator_id: int, *, duration_ms: int) -> tuple[Lease, Judgment] | None:
        """Retract the annotator's newest current judgment and lend him its pair again, same sides.

        What else he held goes back. A skip whose pair others have taken since is passed over. The
        answer is the new lease and what was retracted, None if nothing is left to undo.
        """
        now = self._clock()

        def work(db: sqlite_utils.Database) -> tuple[int, Row] | None:
            undone = _newest_to_undo(db, annotator_id, now)
            if undone is None:
                return None
            kept = {key: undone[key] for key in ("pair_id", "annotator_id", "lease_id", "swapped")}
            empty = dict.fromkeys(("idempotency_key", "strength", "elapsed_ms"))
            made = {"choice": Choice.RETRACTED.value, "supersedes_id": undone["id"], "created_at": now}
            _inserted(db, kept | empty | made)
            swapped = bool(undone["swapped"])
            pair_id = undone["pair_id"]
            lease_id = leases.grant(db, pair_id, annotator_id, leases.Term(now, duration_ms), swapped=swapped)
            return lease_id, undone

        outcome = self._database.write(work)
        if outcome is None:
            return None
        lease_id, undone = outcome
        return self._pairs.lease_by_id(lease_id), _judgment(undone)

    def progress(self, annotator_id: int) -> int:
        """How many current judgments the annotator has given."""
        return self._database.value("select count(*) from current_judgment where annotator_id = ?", [annotator_id])

    def count(self) -> int:
        """How many current judgments there are."""
        return self._database.value("select count(*) from current_judgment")

    def decisive_since(self, judgment_id: int) -> int:
        """How many current judgments that name a winner came after this one (0: of all)."""
        return self._database.value(
            "select count(*) from current_judgment where id > ? and choice in ('a', 'b')", [judgment_id]
        )

    def last_id(self) -> int:
        """The id of the newest row, 0 if there is none."""
        return self._database.value("select coalesce(max(id), 0) from judgment")

    def history(self, annotator_id: int, limit: int) -> list[Judgment]:
        """The annotator's newest rows, newest first, retracted and retracting ones among them."""
        sql = "select * from judgment where annotator_id = ? order by id desc limit ?"
        return [_judgment(row) for row in self._database.rows(sql, [annotator_id, limit])]

    def by_pair(self, pair_id: int) -> list[Judgment]:
        """The current judgments of a pair, oldest first."""
        sql = "select * from current_judgment where pair_id = ? order by id"
        return [_judgment(row) for row in self._database.rows(sql, [pair_id])]


def _assert_sensible(verdict: Verdict, idempotency_key: str) -> None:
    if verdict.choice is Choice.RETRACTED:
        raise InputError("a judgment is retracted by an undo, not by a verdict")
    if verdict.strength is not None and not verdict.choice.decisive:
        raise InputError(f"a strength goes with a or b, not with {verdict.choice.value}; leave it out")
    if verdict.strength not in (None, 1, 2, 3):
        raise InputError(f"strength {verdict.strength} is none of 1, 2, 3")
    if verdict.elapsed_ms is not None and verdict.elapsed_ms < 0:
        raise InputError(f"elapsed_ms {verdict.elapsed_ms} is below 0")
    if not idempotency_key:
        raise InputError("an idempotency key is a text of one's own for each judgment, not an empty one")


def _lease_of(db: sqlite_utils.Database, token: str, annotator_id: int) -> Row:
    lease = first(db, "select * from lease where token = ? and annotator_id = ?", [token, annotator_id])
    if lease is None:
        raise NotFoundError("this pair was not lent to you; ask for the next one")
    return lease


def _in_pair_sides(shown: Choice, lease: Row) -> str:
    return (shown.mirrored if lease["swapped"] else shown).value


def _same(kept: Row, lease: Row, said: Mapping[str, object]) -> Row:
    """The judgment kept under a key, if the same is said of the same lease. Raises ConflictError."""
    if kept["lease_id"] != lease["id"] or any(kept[key] != value for key, value in said.items()):
        raise ConflictError("this idempotency key was used for another judgment; take a new one")
    return kept


def _superseded_by(db: sqlite_utils.Database, lease: Row, now: int) -> int | None:
    """The retraction that a judgment on this lease replaces. Raises ConflictError if none may come."""
    if first(db, "select 1 from judgment where lease_id = ? and choice <> 'retracted'", [lease["id"]]):
        raise ConflictError("this pair has your judgment already; undo that first, or go on to the next")
    newest = first(
        db,
        "select id, choice from judgment where pair_id = ? and annotator_id = ? order by id desc limit 1",
        [lease["pair_id"], lease["annotator_id"]],
    )
    if newest is not None and newest["choice"] != Choice.RETRACTED.value:
        raise ConflictError("this pair has your judgment already; undo that first, or go on to the next")
    if not leases.has_room(db, lease["pair_id"], lease["annotator_id"], now=now):
        raise ConflictError("this pair was given to others when its time was up; go on to the next")
    return None if newest is None else int(newest["id"])


def _newest_to_undo(db: sqlite_utils.Database, annotator_id: int, now: int) -> Row | None:
    sql = f"""
        select j.* from current_judgment j join pair p on p.id = j.pair_id
        where j.annotator_id = :annotator
        and (j.choice <> 'skip' or {leases.TAKEN} < p.target_judgments)
        order by j.id desc limit 1
    """
    return first(db, sql, {"annotator": annotator_id, "now": now})


def _inserted(db: sqlite_utils.Database, row: Mapping[str, object]) -> Row:
    content = dict(row)
    judgment_id = insert(db, "judgment", content | {"sha256": row_digest(content, CONTENT)})
    return content | {"id": judgment_id}


def _judgment(row: Row) -> Judgment:
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
    )
