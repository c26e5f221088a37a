"""Choose the pair that an annotator gets next. pairs.py calls `next_pair` and leases what it returns.

First a purpose is drawn: a gold pair, a re-ask of a pair the annotator judged, a comparison of the champion with
another version, or training; if there is no pair for it, another purpose is tried, so that nobody is left without work.
A re-ask only takes the place of a training pair that is ready: otherwise an annotator who keeps asking while a slow
model has none would get nearly nothing but re-asks. For training, pairs that another annotator has judged and that
need more judgments come first, also those of a version that no longer serves: an incomplete overlap tells nothing about
agreement. Then the strategy draws from the oldest waiting pairs of the highest priority. Nobody is given the same
answers twice, except as a hidden re-ask with sides swapped, and nobody a gold pair that they made themselves.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import sqlite_utils

from data.annotation.leases import TAKEN
from data.annotation.strategies import STRATEGIES, Candidate, StrategyName, words_of
from data.db.database import Row, first, insert
from data.records import Purpose

OVERLAP = "overlap"
"""The strategy noted for a pair chosen because another annotator had judged it."""

_CANDIDATES = 64
_RECENT_PROMPTS = 50
_UNJUDGED_BY = """
    not exists (select 1 from current_judgment j where j.pair_id = p.id and j.annotator_id = :annotator)
"""
_UNSEEN_COPY = """
    not exists (select 1 from pair r join current_judgment j on j.pair_id = r.id
      where r.repeats_id = p.id and j.annotator_id = :annotator)
"""
# Same terms as in the partial indexes, word for word, so that SQLite uses them.
HALF_JUDGED = "p.judged > 0 and p.judged < p.target_judgments and p.withdrawn_at is null and p.purpose = 'train'"
"""SQL: whether training pair p has some, but not all, of the judgments it needs."""

_HALF = f"""
    select p.id from pair p where {HALF_JUDGED}
    and {_UNJUDGED_BY} and {_UNSEEN_COPY} and {TAKEN} < p.target_judgments order by p.priority desc, p.id limit 1
"""
_FRESH = f"""
    select p.id, p.margin, p.prompt_id, p.priority from pair p
    where p.judged = 0 and p.withdrawn_at is null and p.purpose = '{{purpose}}' {{version}}
    and {_UNJUDGED_BY} and {_UNSEEN_COPY} and {TAKEN} < p.target_judgments
    order by p.priority desc, p.id limit {_CANDIDATES}
"""
# Added only where a version is given: "any version, or this one" in a single query would keep SQLite from the indexes.
_OF_VERSION = "and p.version_id = :version"
_GOLD = f"""
    select p.id from gold g join pair p on p.id = g.pair_id
    where g.retired_at is null and g.made_by is not :annotator and {_UNJUDGED_BY}
    and not exists (select 1 from current_judgment j where j.pair_id = p.repeats_id and j.annotator_id = :annotator)
    order by p.id
"""
_REASKED = f"""
    select p.id, first.swapped from pair p
    join current_judgment first on first.pair_id = p.repeats_id and first.annotator_id = :annotator
    where p.for_annotator_id = :annotator and p.judged = 0 and p.withdrawn_at is null and {_UNJUDGED_BY}
    order by p.id limit 1
"""
_TO_REASK = """
    select p.*, j.swapped from (
      select * from current_judgment where annotator_id = :annotator and follows_id is null
      order by id desc limit 200 offset :after) j
    join pair p on p.id = j.pair_id join prompt q on q.id = p.prompt_id
    where j.choice in ('a', 'b') and j.flag is null and p.purpose = 'train' and q.retired_at is null
    and not exists (select 1 from pair r where r.repeats_id = p.id and r.for_annotator_id = :annotator)
"""


@dataclass(frozen=True, slots=True)
class QueueRules:
    """The shares of leases that are not training pairs, and how training pairs are chosen.

    gold, reask and evaluation are probabilities, together at most 1; reask_after: the annotator's judgments between a
    pair and its re-ask; explore: the share of a strategy's draws that are uniformly random.
    """

    strategy: StrategyName = StrategyName.RANDOM
    explore: float = 0.0
    gold: float = 0.0
    reask: float = 0.0
    reask_after: int = 1
    evaluation: float = 0.0


TRAINING_ALONE = QueueRules()
"""Training pairs only, chosen at random."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chosen pair, how it was chosen, and the probability of that, given its purpose.

    swapped: the sides it must be shown in; None: either.
    """

    pair_id: int
    strategy: str
    propensity: float
    swapped: bool | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks for a pair and when. version_id: the version that it must be of, if any."""

    annotator_id: int
    now: int
    version_id: int | None
    rules: QueueRules
    source: random.Random

    @property
    def params(self) -> dict[str, object]:
        """The parameters of the queries above."""
        return {"annotator": self.annotator_id, "now": self.now, "version": self.version_id}

    @property
    def of_version(self) -> str:
        """The SQL term that restricts pairs to the version, empty if there is none."""
        return "" if self.version_id is None else _OF_VERSION


def next_pair(db: sqlite_utils.Database, asking: Asking) -> Drawn | None:
    """Return the next pair, inside a write transaction; None when there is none for this annotator."""
    for purpose in _purposes(asking):
        drawn = _DRAWS[purpose](db, asking)
        if drawn is not None:
            return drawn
    return None


def _purposes(asking: Asking) -> Iterator[Purpose]:
    """Yield the purposes in the order to try them."""
    rules, at = asking.rules, asking.source.random()
    shares = {Purpose.GOLD: rules.gold, Purpose.REASK: rules.reask, Purpose.EVAL: rules.evaluation}
    for purpose, share in shares.items():
        if 0 <= at < share:
            yield purpose
        at -= share
    yield Purpose.TRAIN
    yield from (purpose for purpose, share in shares.items() if share and purpose is not Purpose.REASK)


def _train(db: sqlite_utils.Database, asking: Asking) -> Drawn | None:
    half = first(db, _HALF, asking.params)
    if half is not None:
        return Drawn(half["id"], OVERLAP, 1.0)
    rows = _fresh(db, asking, Purpose.TRAIN)
    return _by_strategy(db, asking, rows) if rows else None


def _by_strategy(db: sqlite_utils.Database, asking: Asking, rows: Sequence[Row]) -> Drawn:
    name = asking.rules.strategy
    by_words = name is StrategyName.DIVERSITY
    words = _prompt_words(db, [row["prompt_id"] for row in rows]) if by_words else {}
    candidates = [Candidate(row["id"], row["margin"], words.get(row["prompt_id"], frozenset())) for row in rows]
    odds = STRATEGIES[name](candidates, _recent_words(db) if by_words else (), asking.rules.explore)
    [at] = asking.source.choices(range(len(rows)), odds.shares)
    return Drawn(candidates[at].pair_id, odds.by, odds.shares[at])


def _evaluation(db: sqlite_utils.Database, asking: Asking) -> Drawn | None:
    return _any_of(_fresh(db, asking, Purpose.EVAL), Purpose.EVAL, asking)


def _gold(db: sqlite_utils.Database, asking: Asking) -> Drawn | None:
    return _any_of(list(db.query(_GOLD, asking.params)), Purpose.GOLD, asking)


def _reask(db: sqlite_utils.Database, asking: Asking) -> Drawn | None:
    """Return a pair the annotator judged, with sides swapped: an existing re-ask without a judgment, or a new one."""
    begun = first(db, _REASKED, asking.params)
    if begun is not None:
        return Drawn(begun["id"], Purpose.REASK, 1.0, swapped=not begun["swapped"])
    rows = list(db.query(_TO_REASK, asking.params | {"after": asking.rules.reask_after - 1}))
    if not rows or _train(db, asking) is None:
        return None
    row = asking.source.choice(rows)
    kept = {key: row[key] for key in ("prompt_id", "completion_a_id", "completion_b_id", "version_id")}
    made = {"purpose": Purpose.REASK.value, "strategy": Purpose.REASK.value, "target_judgments": 1}
    asked = {"repeats_id": row["id"], "for_annotator_id": asking.annotator_id, "created_at": asking.now}
    return Drawn(insert(db, "pair", kept | made | asked), Purpose.REASK, 1 / len(rows), swapped=not row["swapped"])


_DRAWS: dict[Purpose, Callable[[sqlite_utils.Database, Asking], Drawn | None]] = {
    Purpose.TRAIN: _train,
    Purpose.EVAL: _evaluation,
    Purpose.GOLD: _gold,
    Purpose.REASK: _reask,
}


def _fresh(db: sqlite_utils.Database, asking: Asking, purpose: Purpose) -> list[Row]:
    """Return the oldest waiting pairs of the highest priority."""
    rows = list(db.query(_FRESH.format(purpose=purpose, version=asking.of_version), asking.params))
    return [row for row in rows if row["priority"] == rows[0]["priority"]]


def _any_of(rows: Sequence[Row], strategy: str, asking: Asking) -> Drawn | None:
    return Drawn(asking.source.choice(rows)["id"], strategy, 1 / len(rows)) if rows else None


def _prompt_words(db: sqlite_utils.Database, prompt_ids: Sequence[int]) -> dict[int, frozenset[str]]:
    sql = "select id, messages from prompt where id in (select value from json_each(?))"
    return {row["id"]: words_of(_said(row["messages"])) for row in db.query(sql, [json.dumps(prompt_ids)])}


def _recent_words(db: sqlite_utils.Database) -> list[frozenset[str]]:
    """Return the words of the prompts that anybody judged most recently."""
    rows = db.query(
        """
        select distinct pair.prompt_id from (select pair_id from judgment order by id desc limit ?) j
        join pair on pair.id = j.pair_id
        """,
        [_RECENT_PROMPTS],
    )
    return list(_prompt_words(db, [row["prompt_id"] for row in rows]).values())


def _said(messages: str) -> str:
    return " ".join(turn["content"] for turn in json.loads(messages))
