"""Start, rebuild and read rounds and the judgments frozen for each. Training is up to app/rounds and trainer.

Which judgments a round uses is decided in selection.py.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice

import sqlite_utils

from data.annotation.pairs import Pairs
from data.barring.barring import Barring
from data.db.database import Database, Moment, Row, first, insert
from data.errors import ConflictError
from data.records import Outline, Round, RoundState, Snapshot, Split, Without
from data.records.rounds import EXCLUDED
from data.rounds.counterfactual import TOO_FAST, WITH_A_VERSION, left_out, taken_again
from data.rounds.flip_rate import flip_rate
from data.rounds.round_rows import assert_none_runs, round_of, unknown_round
from data.rounds.selection import Selection, select
from data.rounds.selection_checks import Admission, decided_pairs
from data.rounds.selection_rules import TAKE_ALL, SelectionRules
from data.rounds.snapshots import snapshot_of
from data.rounds.vote_table import VoteTable
from data.rounds.votes import FROZEN, current
from data.rounds.waiting import leave_queue
from data.support.clock import Clock
from data.support.digests import canonical

_SINCE = f"""
    select coalesce(max(newest_judgment), 0) from round where state in {WITH_A_VERSION} and rebuilds_id is null
"""


_BARS = "select id, lifted_at is null as in_force from quarantine order by id"
"""The state, besides judgments, that a selection depends on; if it changed before the write, selection is repeated."""

_FREEZE = """
    insert into round_judgment select ?, value ->> 0, value ->> 1 from json_each(?)
"""
_ROWS_AT_A_TIME = 10_000


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What a round is to use. begun: its columns that do not follow from the selection."""

    selection: Selection
    flip_rate: float | None
    begun: Mapping[str, object]


class Rounds:
    """The rounds of a store; one runs at a time."""

    def __init__(self, database: Database, clock: Clock, pairs: Pairs, barring: Barring) -> None:
        self._database = database
        self._clock = clock
        self._pairs = pairs
        self._barring = barring
        self._current = current(barring)

    def create(
        self,
        *,
        config: dict[str, object],
        started_by: int | None,
        admit: Admission = decided_pairs,
        rules: SelectionRules = TAKE_ALL,
        cause: str = "by hand",
        waited: bool = False,
    ) -> Round:
        """Start a round: freeze the judgments it uses, out of the current ones at one moment.

        They are selected on a read connection, so that no other write waits; judgments given meanwhile are left to the
        next round. admit: checks what training requires of them. The round's counts are "train", "heldout" and
        "both_bad" (pairs), "judgments" (used) and "excluded_..." (judgments, by reason). waited: it was queued, so the
        queue is emptied. Raises RoundRunsError while a round runs, ConflictError if `admit` rejects the selection.
        """

        def choose(moment: Moment) -> _Chosen:
            selection, rate = self._selected(moment, rules)
            begun = {
                "config": canonical(config),
                "started_by": started_by,
                "cause": cause,
                "waited": int(waited),
                "rules": canonical(asdict(rules) | {TOO_FAST: self._barring.too_fast}),
                "newest_judgment": moment.value("select coalesce(max(id), 0) from judgment"),
            }
            return _Chosen(selection, rate, begun)

        return self._begun(choose, admit, leaves_queue=waited)

    def rebuild(
        self,
        round_id: int,
        without: Without,
        *,
        config: dict[str, object],
        started_by: int | None,
        admit: Admission = decided_pairs,
    ) -> Round:
        """Start a round on what another one would have used without some judgments.

        Raises NotFoundError; RoundRunsError while a round runs; ConflictError if `admit` rejects the rest, or if that
        round is itself a rebuild.
        """
        before = self.by_id(round_id)
        if before.rebuilds_id is not None:
            raise ConflictError(f"round {round_id} is round {before.rebuilds_id} taken again; rebuild that one")

        def choose(moment: Moment) -> _Chosen:
            selection, rate = taken_again(moment, before, without)
            begun = {
                "config": canonical(config),
                "started_by": started_by,
                "cause": f"rebuild of round {round_id}",
                "rules": canonical(before.rules),
                "newest_judgment": before.newest_judgment,
                "rebuilds_id": round_id,
                "left_out": canonical(asdict(without)),
            }
            return _Chosen(selection, rate, begun)

        return self._begun(choose, admit)

    def rebuilt(self, without: Without) -> dict[int, int]:
        """Return rounds rebuilt without exactly these, with a version: the newest rebuild's id by the original's."""
        rows = self._database.rows(
            f"""
            select rebuilds_id, id from round where rebuilds_id is not null and left_out = ?
            and state in {WITH_A_VERSION} order by id
            """,
            [canonical(asdict(without))],
        )
        return {row["rebuilds_id"]: row["id"] for row in rows}

    def touched(self, without: Without) -> list[int]:
        """Return the rounds with a version that used such judgments, oldest first; rebuilds are left out."""
        rows = self._database.rows(
            f"""
            select distinct r.round_id as id from round_judgment r join round on round.id = r.round_id
            join judgment j on j.id = r.judgment_id join pair on pair.id = j.pair_id
            join prompt on prompt.id = pair.prompt_id
            where round.state in {WITH_A_VERSION} and round.rebuilds_id is null
            and (j.annotator_id in (select value from json_each(:annotators))
              or prompt.source in (select value from json_each(:sources)))
            order by r.round_id
            """,
            left_out(without),
        )
        return [row["id"] for row in rows]

    def snapshot(self, round_id: int) -> Snapshot:
        """Return what a round was given, from the judgments it froze. Raises NotFoundError."""
        entry = self.by_id(round_id)
        with self._database.moment() as moment:
            frozen = select(VoteTable.read(moment.in_chunks(FROZEN, [round_id])))
        return snapshot_of(self._pairs, replace(frozen, excluded=entry.excluded), entry.flip_rate)

    def preview(self, rules: SelectionRules = TAKE_ALL) -> Snapshot:
        """Return what a round would be given now."""
        with self._database.moment() as moment:
            selection, rate = self._selected(moment, rules)
        return snapshot_of(self._pairs, selection, rate)

    def outline(self, rules: SelectionRules = TAKE_ALL) -> Outline:
        """Return `preview` in numbers, without reading texts."""
        with self._database.moment() as moment:
            selection, rate = self._selected(moment, rules)
        return Outline(
            train=selection.count(Split.TRAIN),
            heldout=selection.count(Split.HELDOUT),
            both_bad=selection.bad_pairs,
            judgments=selection.judgments,
            excluded=selection.excluded,
            flip_rate=rate,
            sha256=selection.sha256,
        )

    def dependencies(self) -> tuple[int, ...]:
        """Return numbers that determine an outline: while they are the same, so is the outline."""
        row = self._database.row(
            """
            select (select coalesce(max(id), 0) from judgment) as judgments,
              (select coalesce(max(id), 0) from quarantine) as quarantines,
              (select count(*) from quarantine where lifted_at is null) as in_force
            """
        )
        assert row is not None
        return (*row.values(), self._since())

    def set_state(self, round_id: int, state: RoundState, *, reason: str | None = None) -> Round:
        """Set a round's state. Raises NotFoundError, and ConflictError if it has ended."""
        ended_at = self._clock() if state.ended else None

        def work(db: sqlite_utils.Database) -> None:
            row = first(db, "select state, ended_at from round where id = ?", [round_id])
            if row is None:
                raise unknown_round(round_id)
            if row["ended_at"] is not None:
                raise ConflictError(f"round {round_id} has ended ({row['state']}); begin a new one")
            sql = "update round set state = ?, reason = ?, ended_at = ? where id = ?"
            db.execute(sql, [state.value, reason, ended_at, round_id])

        self._database.write(work)
        return self.by_id(round_id)

    def reopen(self, round_id: int) -> Round:
        """Reopen a round that failed or was cancelled. Raises NotFoundError, ConflictError for any other."""

        def work(db: sqlite_utils.Database) -> None:
            row = first(db, "select state from round where id = ?", [round_id])
            if row is None:
                raise unknown_round(round_id)
            if row["state"] not in (RoundState.FAILED, RoundState.CANCELLED):
                raise ConflictError(
                    f"round {round_id} is {row['state']}; only one that failed or was cancelled goes on"
                )
            assert_none_runs(db)
            sql = "update round set state = ?, reason = null, ended_at = null where id = ?"
            db.execute(sql, [RoundState.QUEUED.value, round_id])

        self._database.write(work)
        return self.by_id(round_id)

    def by_id(self, round_id: int) -> Round:
        """Return the round with this id. Raises NotFoundError."""
        row = self._database.row("select * from round where id = ?", [round_id])
        if row is None:
            raise unknown_round(round_id)
        return round_of(row)

    def all(self) -> list[Round]:
        """Return all rounds, newest first."""
        return [round_of(row) for row in self._database.rows("select * from round order by id desc")]

    def unended(self) -> Round | None:
        """Return the round that has not ended, if any."""
        row = self._database.row("select * from round where ended_at is null")
        return None if row is None else round_of(row)

    def _since(self) -> int:
        return self._database.value(_SINCE)

    def _begun(self, choose: Callable[[Moment], _Chosen], admit: Admission, *, leaves_queue: bool = False) -> Round:
        """Insert a round with the judgments it uses, selecting again if what bars judgments has changed meanwhile."""
        while True:
            with self._database.moment() as moment:
                bars = moment.rows(_BARS)
                chosen = choose(moment)
            round_id = self._database.write(partial(self._enter, chosen, bars, admit, leaves_queue=leaves_queue))
            if round_id is not None:
                return self.by_id(round_id)

    def _enter(
        self, chosen: "_Chosen", bars: Sequence[Row], admit: Admission, db: sqlite_utils.Database, *, leaves_queue: bool
    ) -> int | None:
        """Insert a selection as a round, inside a write transaction; None if what bars judgments has changed since."""
        assert_none_runs(db)
        if list(db.query(_BARS)) != bars:
            return None
        admit(chosen.selection, chosen.flip_rate)
        if leaves_queue:
            leave_queue(db)
        round_id = insert(db, "round", self._row(chosen))
        used = chosen.selection.used()
        while some := list(islice(used, _ROWS_AT_A_TIME)):
            db.execute(_FREEZE, [round_id, json.dumps(some)])
        return round_id

    def _selected(self, moment: Moment, rules: SelectionRules) -> tuple[Selection, float | None]:
        """Return the selection from the current votes, and their flip rate."""
        votes = VoteTable.read(moment.in_chunks(self._current))
        return select(votes, rules, since=moment.value(_SINCE)), flip_rate(votes.counting)

    def _row(self, chosen: _Chosen) -> dict[str, object]:
        selection = chosen.selection
        counts = {split.value: selection.count(split) for split in Split}
        counts |= {"both_bad": selection.bad_pairs, "judgments": selection.judgments}
        counts |= {f"{EXCLUDED}{reason}": count for reason, count in selection.excluded.items()}
        return {
            "state": RoundState.QUEUED.value,
            "counts": canonical(counts),
            "flip_rate": chosen.flip_rate,
            "sha256": selection.sha256,
            "created_at": self._clock(),
            **chosen.begun,
        }
