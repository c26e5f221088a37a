"""Record, undo, change and read judgments. Rows are only ever added.

An undo adds a row that retracts; judging the pair again adds one that supersedes the retraction. A change adds one
that supersedes the earlier judgment. An edit of the better answer adds a second judgment, that the edited answer
beats the original; it is retracted with the first.
"""

from collections.abc import Mapping

import sqlite_utils

from data.annotation import leases
from data.annotation.edits import add_edited_pair
from data.annotation.judgment_rows import judgment_of, judgment_row
from data.annotation.pairs import Pairs
from data.annotation.validate_judgment import assert_sensible
from data.barring.barring import Barring
from data.db.database import Database, Row, first, insert
from data.errors import ConflictError, NotFoundError
from data.records import Choice, Judgment, Lease, Verdict
from data.support.clock import Clock
from data.support.digests import canonical

_JUDGMENT = """
    select j.*, (
      select c.text from judgment f join pair p on p.id = f.pair_id join completion c on c.id = p.completion_a_id
      where f.follows_id = j.id) as edit
    from {table} j
"""
_OF_ALL = _JUDGMENT.format(table="judgment")
_OF_CURRENT = _JUDGMENT.format(table="current_judgment")


class Judgments:
    """The judgments of a store. "Current" ones are neither retracted nor superseded."""

    def __init__(self, database: Database, clock: Clock, pairs: Pairs, barring: Barring) -> None:
        self._database = database
        self._clock = clock
        self._pairs = pairs
        self._barring = barring

    def record(self, annotator_id: int, lease_token: str, verdict: Verdict, *, idempotency_key: str) -> Judgment:
        """Store a verdict, given in the sides as shown, and end its lease; durable once this returns.

        A repeated key returns the judgment stored first. Raises InputError for a verdict that makes no sense;
        NotFoundError for a lease that is not this annotator's; ConflictError when the key was used for another
        verdict, the lease or the pair is judged already, or the lease expired and others have given or hold all
        judgments the pair needs.
        """
        assert_sensible(verdict, idempotency_key)
        now = self._clock()

        def work(db: sqlite_utils.Database) -> int:
            lease = _lease_of(db, lease_token, annotator_id)
            said = _said(verdict, swapped=bool(lease["swapped"]))
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
                "guideline_id": lease["guideline_id"],
                "supersedes_id": _superseded_by(db, lease, now),
                "created_at": now,
            }
            leases.give_back(db, annotator_id, now=now, pair_id=lease["pair_id"])
            if lease["changes_id"] is not None:
                _retract_follower(db, lease["changes_id"], now)
            judgment_id = _insert(db, row)
            if verdict.edit is not None:
                _follow(db, row | {"id": judgment_id}, add_edited_pair(db, row, verdict.edit))
            return judgment_id

        return self.by_id(self._database.write(work))

    def undo(self, annotator_id: int, *, duration_ms: int) -> tuple[Lease, Judgment] | None:
        """Retract the annotator's newest current judgment and lease its pair to them again, same sides.

        Any other lease of theirs is released. A skip whose pair others have taken since is passed over. Returns the
        new lease and the retracted judgment, None if nothing is left to undo.
        """
        now = self._clock()

        def work(db: sqlite_utils.Database) -> tuple[int, Row] | None:
            undone = _newest_to_undo(db, annotator_id, now)
            if undone is None:
                return None
            _retract_follower(db, undone["id"], now)
            _retract(db, undone, now)
            swapped = bool(undone["swapped"])
            pair_id = undone["pair_id"]
            lease_id = leases.grant(db, pair_id, annotator_id, leases.Term(now, duration_ms), swapped=swapped)
            return lease_id, undone

        outcome = self._database.write(work)
        if outcome is None:
            return None
        lease_id, undone = outcome
        return self._pairs.lease_by_id(lease_id), judgment_of(undone)

    def change(self, annotator_id: int, judgment_id: int, *, duration_ms: int) -> tuple[Lease, Judgment]:
        """Lease the pair of a current judgment to its annotator again, same sides, to change the judgment.

        The old judgment stays current until the new one is recorded. Any other lease of theirs is released. Raises
        NotFoundError for a judgment that is not theirs, ConflictError when it is not current, or a skip whose pair
        others have taken since.
        """
        now = self._clock()

        def work(db: sqlite_utils.Database) -> int:
            row = first(db, "select * from judgment where id = ? and annotator_id = ?", [judgment_id, annotator_id])
            if row is None or row["follows_id"] is not None:
                raise NotFoundError("there is no judgment {judgment} of yours", judgment=judgment_id)
            _assert_changeable(db, row, now)
            term = leases.Term(now, duration_ms)
            swapped = bool(row["swapped"])
            return leases.grant(db, row["pair_id"], annotator_id, term, swapped=swapped, changes_id=judgment_id)

        lease_id = self._database.write(work)
        return self._pairs.lease_by_id(lease_id), self.by_id(judgment_id)

    def by_id(self, judgment_id: int) -> Judgment:
        """Return the judgment with this id, current or not. Raises NotFoundError."""
        row = self._database.row(f"{_OF_ALL} where j.id = ?", [judgment_id])
        if row is None:
            raise NotFoundError("there is no judgment {judgment}", judgment=judgment_id)
        return judgment_of(row)

    def progress(self, annotator_id: int) -> int:
        """Count the annotator's current judgments; one with an edit counts once."""
        return self._database.value(
            "select count(*) from current_judgment where annotator_id = ? and follows_id is null", [annotator_id]
        )

    def count(self) -> int:
        """Count the current judgments."""
        return self._database.value("select count(*) from current_judgment")

    def decisive_since(self, judgment_id: int) -> int:
        """Count the current judgments after this one (0: all) that name a winner and may train.

        A judgment with an edit counts once. Cross joins make SQLite start from the newest judgments; without them it
        would go through all prompts.
        """
        return self._database.value(
            f"""
            select count(*) from current_judgment j cross join pair on pair.id = j.pair_id
            cross join prompt on prompt.id = pair.prompt_id
            where j.id > ? and j.choice in ('a', 'b') and j.follows_id is null and prompt.split = 'train'
            and {self._barring.barred()} is null
            """,
            [judgment_id],
        )

    def last_id(self) -> int:
        """Return the id of the newest row, 0 if there is none."""
        return self._database.value("select coalesce(max(id), 0) from judgment")

    def history(self, annotator_id: int, limit: int) -> list[Judgment]:
        """Return the annotator's newest rows, newest first, retracted and retracting ones included."""
        sql = f"{_OF_ALL} where j.annotator_id = ? order by j.id desc limit ?"
        return [judgment_of(row) for row in self._database.rows(sql, [annotator_id, limit])]

    def standing(self, annotator_id: int, *, before: int | None, limit: int) -> list[Judgment]:
        """Return the annotator's current judgments, newest first; before: only those older than this judgment id."""
        return [
            judgment_of(row)
            for row in self._database.rows(
                f"""
                {_OF_CURRENT} where j.annotator_id = :annotator and j.follows_id is null
                and (:before is null or j.id < :before) order by j.id desc limit :limit
                """,
                {"annotator": annotator_id, "before": before, "limit": limit},
            )
        ]

    def by_pair(self, pair_id: int) -> list[Judgment]:
        """Return the current judgments of a pair, oldest first."""
        sql = f"{_OF_CURRENT} where j.pair_id = ? order by j.id"
        return [judgment_of(row) for row in self._database.rows(sql, [pair_id])]


def _lease_of(db: sqlite_utils.Database, token: str, annotator_id: int) -> Row:
    lease = first(db, "select * from lease where token = ? and annotator_id = ?", [token, annotator_id])
    if lease is None:
        raise NotFoundError("this pair is not assigned to you; ask for the next one")
    return lease


def _said(verdict: Verdict, *, swapped: bool) -> dict[str, object]:
    """Return the verdict as columns, in the pair's own sides."""
    choice = verdict.choice.mirrored if swapped else verdict.choice
    remarks = verdict.remarks.mirrored if swapped else verdict.remarks
    reasons = {"a": remarks.reasons_a, "b": remarks.reasons_b}
    return {
        "choice": choice.value,
        "strength": verdict.strength,
        "reasons": canonical(reasons) if any(reasons.values()) else None,
        "comment": remarks.comment.strip() or None,
        "flag": None if remarks.flag is None else remarks.flag.value,
    }


def _same(kept: Row, lease: Row, said: Mapping[str, object]) -> int:
    """Return the id of the judgment stored under a key if this one repeats it. Raises ConflictError."""
    if kept["lease_id"] != lease["id"] or any(kept[key] != value for key, value in said.items()):
        raise ConflictError("this idempotency key was used for another judgment; take a new one")
    return int(kept["id"])


def _superseded_by(db: sqlite_utils.Database, lease: Row, now: int) -> int | None:
    """Return the row that a judgment on this lease supersedes, if any. Raises ConflictError."""
    judged = "select 1 from judgment where lease_id = ? and choice <> 'retracted'"
    newest = _newest_row(db, lease["pair_id"], lease["annotator_id"])
    stands = None if newest is None or newest["choice"] == Choice.RETRACTED.value else newest
    if first(db, judged, [lease["id"]]) or (stands and stands["id"] != lease["changes_id"]):
        raise ConflictError(
            "you already judged this pair (in another tab?); undo that judgment, or go on to the next pair"
        )
    counts = stands is not None and stands["choice"] != Choice.SKIP.value
    if not counts and not leases.has_room(db, lease["pair_id"], lease["annotator_id"], now=now):
        raise ConflictError("your time for this pair ran out and it went to others; go on to the next")
    return None if newest is None else int(newest["id"])


def _assert_changeable(db: sqlite_utils.Database, row: Row, now: int) -> None:
    newest = _newest_row(db, row["pair_id"], row["annotator_id"])
    if newest is None or newest["id"] != row["id"] or row["choice"] == Choice.RETRACTED.value:
        raise ConflictError("this judgment has been changed or undone since; look at your history again")
    skipped = row["choice"] == Choice.SKIP.value
    if skipped and not leases.has_room(db, row["pair_id"], row["annotator_id"], now=now):
        raise ConflictError("others have judged the pair that you skipped; go on to the next")


def _newest_row(db: sqlite_utils.Database, pair_id: int, annotator_id: int) -> Row | None:
    sql = "select id, choice from judgment where pair_id = ? and annotator_id = ? order by id desc limit 1"
    return first(db, sql, [pair_id, annotator_id])


def _newest_to_undo(db: sqlite_utils.Database, annotator_id: int, now: int) -> Row | None:
    sql = f"""
        {_OF_CURRENT} join pair p on p.id = j.pair_id
        where j.annotator_id = :annotator and j.follows_id is null
        and (j.choice <> 'skip' or {leases.TAKEN} < p.target_judgments)
        order by j.id desc limit 1
    """
    return first(db, sql, {"annotator": annotator_id, "now": now})


def _retract(db: sqlite_utils.Database, row: Row, now: int) -> None:
    kept = {key: row[key] for key in ("pair_id", "annotator_id", "lease_id", "swapped")}
    _insert(db, kept | {"choice": Choice.RETRACTED.value, "supersedes_id": row["id"], "created_at": now})


def _retract_follower(db: sqlite_utils.Database, judgment_id: int, now: int) -> None:
    """Retract the second judgment that a judgment's edit added."""
    follower = first(db, "select * from current_judgment where follows_id = ?", [judgment_id])
    if follower is not None:
        _retract(db, follower, now)


def _follow(db: sqlite_utils.Database, row: Row, pair_id: int) -> None:
    """Insert the judgment that an edit adds: the edited answer (a) beats the original."""
    kept = {key: row[key] for key in ("annotator_id", "lease_id", "guideline_id", "created_at")}
    made = {"pair_id": pair_id, "choice": Choice.A.value, "swapped": 0, "follows_id": row["id"]}
    _insert(db, kept | made | {"idempotency_key": f"{row['idempotency_key']}/edit"})


def _insert(db: sqlite_utils.Database, row: Mapping[str, object]) -> int:
    """Insert a row, with None in the columns it leaves out, and return its id."""
    return insert(db, "judgment", judgment_row(row))
