"""Rounds and the judgments frozen for each. Knows nothing of training; the rule is in selection.py."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import sqlite_utils

from data.admission import Admission, decided_pairs
from data.clock import Clock
from data.database import Database, Row, first, insert
from data.digests import canonical
from data.errors import ConflictError, NotFoundError
from data.pairs import Pairs
from data.quality.flips import flip_rate
from data.quarantines import IN_FORCE
from data.records import Choice, Flag, Preference, Round, RoundState, Snapshot, Split
from data.selection import Decision, Selection, Vote, select

_EXCLUDED = "excluded_"
_BARRING_FLAGS = ", ".join(f"'{flag}'" for flag in Flag if flag.bars)
_CURRENT = f"""
    select j.id, j.pair_id, j.choice, j.strength, prompt.split, case
      when pair.purpose <> 'train' then pair.purpose
      when j.annotator_id in {IN_FORCE} then 'quarantined'
      when exists (select 1 from current_judgment f where f.flag in ({_BARRING_FLAGS})
        and (f.pair_id = j.pair_id or f.id = j.follows_id)) then 'flagged'
      end as barred
    from current_judgment j join pair on pair.id = j.pair_id join prompt on prompt.id = pair.prompt_id
"""
_FROZEN = """
    select j.id, j.pair_id, j.choice, j.strength, r.role as split, null as barred
    from round_judgment r join judgment j on j.id = r.judgment_id where r.round_id = ?
"""


class Rounds:
    """The rounds of a store; one at a time runs."""

    def __init__(self, database: Database, clock: Clock, pairs: Pairs) -> None:
        self._database = database
        self._clock = clock
        self._pairs = pairs

    def create(
        self, *, config: dict[str, object], started_by: int | None, admit: Admission = decided_pairs
    ) -> tuple[Round, Snapshot]:
        """Begin a round: freeze, in one transaction, the judgments it uses, and say what they are.

        admit: what the training asks of them. The round's counts are "train", "heldout" and "both_bad" (pairs),
        "judgments" (used) and "excluded_..." (judgments, by reason). Raises ConflictError while a round runs or
        if they are not admitted.
        """

        def work(db: sqlite_utils.Database) -> int:
            running = first(db, "select id, state from round where ended_at is null")
            if running is not None:
                raise ConflictError(f"round {running['id']} is {running['state']}; wait for it to end, or cancel it")
            votes = _votes(db.query(_CURRENT))
            selection, rate = select(votes), _flip_rate(votes)
            admit(selection, rate)
            return self._freeze(db, selection, rate, config, started_by)

        round_id = self._database.write(work)
        return self.by_id(round_id), self.snapshot(round_id)

    def snapshot(self, round_id: int) -> Snapshot:
        """What a round was given, rebuilt from what it froze. Raises NotFoundError."""
        entry = self.by_id(round_id)
        frozen = select(_votes(self._database.rows(_FROZEN, [round_id])))
        excluded = {
            key.removeprefix(_EXCLUDED): count for key, count in entry.counts.items() if key.startswith(_EXCLUDED)
        }
        return self._snapshot(replace(frozen, excluded=excluded), entry.flip_rate)

    def preview(self) -> Snapshot:
        """What a round would be given now."""
        votes = _votes(self._database.rows(_CURRENT))
        return self._snapshot(select(votes), _flip_rate(votes))

    def preferences(self) -> tuple[Preference, ...]:
        """All pairs decided now, of both splits, by pair id: what an export holds."""
        return self._preferences(select(_votes(self._database.rows(_CURRENT))).decisions)

    def set_state(self, round_id: int, state: RoundState, *, reason: str | None = None) -> Round:
        """Move a round on. Raises NotFoundError, and ConflictError if it has ended."""
        ended_at = self._clock() if state.ended else None

        def work(db: sqlite_utils.Database) -> None:
            row = first(db, "select state, ended_at from round where id = ?", [round_id])
            if row is None:
                raise _unknown(round_id)
            if row["ended_at"] is not None:
                raise ConflictError(f"round {round_id} has ended ({row['state']}); begin a new one")
            sql = "update round set state = ?, reason = ?, ended_at = ? where id = ?"
            db.execute(sql, [state.value, reason, ended_at, round_id])

        self._database.write(work)
        return self.by_id(round_id)

    def by_id(self, round_id: int) -> Round:
        """The round with this id. Raises NotFoundError."""
        row = self._database.row("select * from round where id = ?", [round_id])
        if row is None:
            raise _unknown(round_id)
        return _round(row)

    def all(self) -> list[Round]:
        """All rounds, newest first."""
        return [_round(row) for row in self._database.rows("select * from round order by id desc")]

    def unended(self) -> Round | None:
        """The round that runs, if one does."""
        row = self._database.row("select * from round where ended_at is null")
        return None if row is None else _round(row)

    def _freeze(
        self,
        db: sqlite_utils.Database,
        selection: Selection,
        rate: float | None,
        config: dict[str, object],
        started_by: int | None,
    ) -> int:
        used = [(number, decision.split) for decision in selection.decisions for number in decision.judgment_ids]
        used += [(number, Split.TRAIN) for bad in selection.both_bad for number in bad.judgment_ids]
        counts = {split.value: len(selection.of(split)) for split in Split}
        counts |= {"both_bad": len(selection.both_bad), "judgments": len(used)}
        counts |= {f"{_EXCLUDED}{reason}": count for reason, count in selection.excluded.items()}
        row = {
            "state": RoundState.QUEUED.value,
            "config": canonical(config),
            "counts": canonical(counts),
            "flip_rate": rate,
            "started_by": started_by,
            "created_at": self._clock(),
        }
        round_id = insert(db, "round", row)
        for judgment_id, role in used:
            db.execute("insert into round_judgment values (?, ?, ?)", [round_id, judgment_id, role.value])
        return round_id

    def _snapshot(self, selection: Selection, rate: float | None) -> Snapshot:
        bad = self._pairs.by_ids(bad.pair_id for bad in selection.both_bad)
        return Snapshot(
            train=self._preferences(selection.of(Split.TRAIN)),
            heldout=self._preferences(selection.of(Split.HELDOUT)),
            excluded=selection.excluded,
            both_bad=tuple(bad[pair.pair_id] for pair in selection.both_bad),
            flip_rate=rate,
        )

    def _preferences(self, decisions: Sequence[Decision]) -> tuple[Preference, ...]:
        pairs = self._pairs.by_ids(decision.pair_id for decision in decisions)
        preferences = []
        for decision in decisions:
            pair = pairs[decision.pair_id]
            chosen, rejected = (pair.a, pair.b) if decision.winner is Choice.A else (pair.b, pair.a)
            preferences.append(
                Preference(
                    pair_id=pair.id,
                    prompt=pair.prompt,
                    chosen=chosen,
                    rejected=rejected,
                    strength=decision.strength,
                    judgment_ids=decision.judgment_ids,
                )
            )
        return tuple(preferences)


def _flip_rate(votes: Iterable[Vote]) -> float | None:
    return flip_rate(vote for vote in votes if not vote.barred)


def _votes(rows: Iterable[Row]) -> list[Vote]:
    return [
        Vote(
            row["id"], row["pair_id"], Choice(row["choice"]), row["strength"], Split(row["split"]), barred=row["barred"]
        )
        for row in rows
    ]


def _unknown(round_id: int) -> NotFoundError:
    return NotFoundError(f"there is no round {round_id}")


def _round(row: Row) -> Round:
    return Round(
        id=row["id"],
        state=RoundState(row["state"]),
        reason=row["reason"],
        config=json.loads(row["config"]),
        counts=json.loads(row["counts"]),
        started_by=row["started_by"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
        flip_rate=row["flip_rate"],
    )
