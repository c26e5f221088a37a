"""Gold pairs: pairs whose right choice is known, made by an admin or from annotators' consensus.

A gold pair is a separate pair that never trains and has no limit of judgments: each annotator may be asked once,
except those who judged the pair it was made from. How well annotators do on them is measured in data/quality.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlite_utils

from data.annotation.completions import insert_written
from data.annotation.pairs import Pairs
from data.db.database import Database, Row, first, insert
from data.errors import ConflictError, InputError, NotFoundError
from data.prompts.prompts import Prompts
from data.records import Choice, Pair, Purpose
from data.support.clock import Clock

FEWEST_VOTES = 3
"""The current judgments that a pair needs before their consensus can make it a gold pair."""

_NEVER_FULL = 1_000_000_000
_EXPECTABLE = (Choice.A, Choice.B, Choice.TIE, Choice.BOTH_BAD)
_MADE_OF = "select 1 from gold join pair r on r.id = gold.pair_id where r.repeats_id = ?"
_GOLD = "select g.*, p.repeats_id from gold g join pair p on p.id = g.pair_id"


@dataclass(frozen=True, slots=True)
class Expected:
    """The choice expected on a gold pair, in the pair's own a and b, and the reason for it."""

    choice: Choice
    explanation: str


@dataclass(frozen=True, slots=True)
class GoldPair:
    """A gold pair with the expected choice. repeats_id: the pair it was made from, if any."""

    pair: Pair
    expected: Expected
    repeats_id: int | None
    created_at: int
    retired: bool


@dataclass(frozen=True, slots=True)
class Agreed:
    """A pair whose judgments all make the same choice, and how many they are."""

    pair: Pair
    choice: Choice
    votes: int


class Gold:
    """The gold pairs of a store."""

    def __init__(self, database: Database, clock: Clock, prompts: Prompts, pairs: Pairs) -> None:
        self._database = database
        self._clock = clock
        self._prompts = prompts
        self._pairs = pairs

    def make(self, pair_id: int, choice: Choice, *, explanation: str, made_by: int | None) -> GoldPair:
        """Make a gold pair of the same answers as an existing pair.

        Raises NotFoundError for an unknown pair, InputError for a choice that cannot be expected (skip, retracted),
        ConflictError if the pair is not one to train on, or a gold pair has been made of it.
        """

        def work(db: sqlite_utils.Database) -> int:
            row = first(db, "select * from pair where id = ?", [pair_id])
            if row is None:
                raise NotFoundError("there is no pair {pair}", pair=pair_id)
            if row["purpose"] != Purpose.TRAIN or first(db, _MADE_OF, [pair_id]):
                raise ConflictError("pair {pair} is a gold pair already", pair=pair_id)
            kept = {key: row[key] for key in ("prompt_id", "completion_a_id", "completion_b_id", "version_id")}
            return self._insert(db, kept | {"repeats_id": pair_id}, Expected(choice, explanation), made_by)

        return self._made(work, choice)

    def write(self, prompt: str, good: str, bad: str, *, explanation: str, made_by: int) -> GoldPair:
        """Make a gold pair of two written answers, the first being the better one.

        Raises InputError for a text that is empty or too long, or for two equal answers.
        """
        if good.split() == bad.split():
            raise InputError("The two answers say the same. Write a worse one.")
        asked = self._prompts.write(prompt, made_by)

        def work(db: sqlite_utils.Database) -> int:
            base = first(db, "select id from adapter_version order by id limit 1")
            if base is None:
                raise ConflictError("there is no model yet; start the server first")
            now = self._clock()
            a, b = (
                insert_written(db, text, prompt_id=asked.id, author_id=made_by, edits_id=None, now=now)
                for text in (good, bad)
            )
            pair = {
                "prompt_id": asked.id,
                "completion_a_id": a,
                "completion_b_id": b,
                "version_id": base["id"],
            }
            return self._insert(db, pair, Expected(Choice.A, explanation), made_by)

        return self._made(work, Choice.A)

    def retire(self, pair_id: int) -> None:
        """Stop asking a gold pair; its judgments still count. Idempotent; raises NotFoundError."""
        now = self._clock()
        sql = "update gold set retired_at = coalesce(retired_at, ?) where pair_id = ?"
        if not self._database.write(lambda db: db.execute(sql, [now, pair_id]).rowcount):
            raise NotFoundError("there is no gold pair {pair}", pair=pair_id)

    def expected(self, pair_id: int) -> Expected | None:
        """Return what is expected on a pair, None if it is no gold pair."""
        row = self._database.row("select choice, explanation from gold where pair_id = ?", [pair_id])
        return None if row is None else _expected(row)

    def all(self) -> list[GoldPair]:
        """Return every gold pair, retired ones included, newest first."""
        return self._known(self._database.rows(f"{_GOLD} order by g.pair_id desc"))

    def candidates(self, limit: int = 50) -> list[Agreed]:
        """Return the pairs on which at least FEWEST_VOTES annotators all agree, most votes first."""
        rows = self._database.rows(
            f"""
            select j.pair_id, min(j.choice) as choice, count(*) as votes from current_judgment j
            join pair p on p.id = j.pair_id
            where p.purpose = 'train' and j.choice <> 'skip' and not exists ({_MADE_OF.replace("?", "p.id")})
            group by j.pair_id having votes >= ? and min(j.choice) = max(j.choice)
            order by votes desc, j.pair_id limit ?
            """,
            [FEWEST_VOTES, limit],
        )
        pairs = self._pairs.by_ids(row["pair_id"] for row in rows)
        return [Agreed(pairs[row["pair_id"]], Choice(row["choice"]), row["votes"]) for row in rows]

    def _insert(self, db: sqlite_utils.Database, pair: Row, expected: Expected, made_by: int | None) -> int:
        now = self._clock()
        purpose = {"purpose": Purpose.GOLD.value, "strategy": "gold", "target_judgments": _NEVER_FULL}
        pair_id = insert(db, "pair", pair | purpose | {"created_at": now})
        row = [pair_id, expected.choice.value, expected.explanation, made_by, now, None]
        db.execute("insert into gold values (?, ?, ?, ?, ?, ?)", row)
        return pair_id

    def _made(self, work: Callable[[sqlite_utils.Database], int], choice: Choice) -> GoldPair:
        if choice not in _EXPECTABLE:
            raise InputError(
                "{choice} cannot be the expected choice; expect a, b, tie or both_bad", choice=choice.value
            )
        pair_id = self._database.write(work)
        [made] = self._known(self._database.rows(f"{_GOLD} where g.pair_id = ?", [pair_id]))
        return made

    def _known(self, rows: Iterable[Row]) -> list[GoldPair]:
        rows = list(rows)
        pairs = self._pairs.by_ids(row["pair_id"] for row in rows)
        return [
            GoldPair(
                pairs[row["pair_id"]],
                _expected(row),
                row["repeats_id"],
                row["created_at"],
                row["retired_at"] is not None,
            )
            for row in rows
        ]


def _expected(row: Row) -> Expected:
    return Expected(Choice(row["choice"]), row["explanation"])
