"""Fifty people at once: every pair ends with just the judgments it wants, and never had more."""

import itertools
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from data.annotation.queue import QueueRules
from data.errors import ConflictError
from data.records import Annotator, Choice, Lease, Role, Verdict
from data.store import PreferenceStore
from tests.data.scene import MINUTE, completion, raw

PEOPLE = 50
RULES = QueueRules(gold=0.3, reask=0.1, reask_after=2, evaluation=0.1)
TEN_MINUTES = 600


class Ticks:
    """A clock that moves on by 1 ms whenever it is read: the more the others do, the sooner a lease ends."""

    def __init__(self) -> None:
        self._ticks = itertools.count(1)

    def __call__(self) -> int:
        return next(self._ticks)


@dataclass(frozen=True)
class Crowd:
    """People at one store. duration_ms: how long a lease holds, in readings of the clock."""

    store: PreferenceStore
    people: list[Annotator]
    clicks: ThreadPoolExecutor
    keys: Iterator[int]
    duration_ms: int

    def next(self, person: Annotator, duration_ms: int | None = None) -> Lease | None:
        return self.store.pairs.lease(person.id, duration_ms=duration_ms or self.duration_ms, rules=RULES)

    def judge(self, lease: Lease, choice: Choice) -> None:
        """Judge by a double click: both clicks come to one judgment, or both are too late."""
        key = f"key {next(self.keys)}"
        record, verdict = self.store.judgments.record, Verdict(choice)
        click = partial(record, lease.annotator_id, lease.token, verdict, idempotency_key=key)
        first, second = (self.clicks.submit(click) for _ in range(2))
        for late in (first, second):
            if (error := late.exception()) is not None:
                assert isinstance(error, ConflictError)
        assert first.exception() or second.exception() or first.result() == second.result()

    def work(self, person: Annotator) -> None:
        """Judge until nothing is left."""
        while (lease := self.next(person, MINUTE)) is not None:
            self.judge(lease, Choice.A)

    def fool_around(self, person: Annotator, source: random.Random, acts: int) -> None:
        """Judge, skip, give back, undo and change, in any order."""
        for _ in range(acts):
            lease, chance = self.next(person), source.random()
            if chance < 0.15:
                self.store.judgments.undo(person.id, duration_ms=self.duration_ms)
            elif chance < 0.25 and (standing := self.store.judgments.standing(person.id, before=None, limit=5)):
                self.change(person, source.choice(standing).id)
            elif lease is not None and chance < 0.35:
                self.store.pairs.release(lease.token, person.id)
            elif lease is not None:
                self.judge(lease, source.choice((Choice.A, Choice.B, Choice.A, Choice.B, Choice.TIE, Choice.SKIP)))

    def change(self, person: Annotator, judgment_id: int) -> None:
        try:
            lease, _ = self.store.judgments.change(person.id, judgment_id, duration_ms=self.duration_ms)
        except ConflictError:
            return  # skipped, and taken by others since
        self.judge(lease, Choice.B)


@pytest.fixture
def clicks() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2 * PEOPLE) as pool:
        yield pool


def crowd(store: PreferenceStore, clicks: ThreadPoolExecutor, pairs: int, duration_ms: int) -> Crowd:
    store.versions.ensure_base("tiny", "r1")
    store.versions.add("v1", round_id=None, parent="base", sha256="0" * 64)
    store.prompts.add([[{"role": "user", "content": f"question {n}"}] for n in range(pairs)], source="test")
    prompts = store.prompts.sample(None, pairs, 0)
    for number, prompt in enumerate(prompts):
        one, other = completion(f"{number} one"), completion(f"{number} other")
        made = store.pairs.add(prompt.id, one, other, target_judgments=1 + number % 3)
        if number % 6 == 0:
            store.pairs.add_evaluation(prompt.id, completion(f"{number} new", "v1"), one, champion="v1")
            store.gold.make(made.id, Choice.A, explanation="", made_by=None)
    people = [store.people.add(f"person{n}", Role.ANNOTATOR) for n in range(PEOPLE)]
    return Crowd(store, people, clicks, itertools.count(), duration_ms)


def assert_just(path: Path) -> None:
    """Read off the rows that no pair ever had more than it wants, that all have it, and that nobody saw one twice."""
    with raw(path) as db:
        db.row_factory = sqlite3.Row
        targets = dict(db.execute("select id, target_judgments from pair").fetchall())
        had, counted = Counter[int](), dict[int, bool]()
        for row in db.execute("select id, pair_id, choice, supersedes_id from judgment order by id"):
            counted[row["id"]] = row["choice"] not in ("skip", "retracted")
            had[row["pair_id"]] += counted[row["id"]] - counted.get(row["supersedes_id"], False)
            assert had[row["pair_id"]] <= targets[row["pair_id"]], row["id"]
        wanting = db.execute("select id from pair where purpose in ('train', 'eval')").fetchall()
        assert all(had[row["id"]] == targets[row["id"]] for row in wanting)
        twice = """
            select j.annotator_id, p.purpose = 'reask', p.completion_a_id from current_judgment j
            join pair p on p.id = j.pair_id group by 1, 2, 3, p.completion_b_id having count(*) > 1
        """
        assert db.execute(twice).fetchall() == []
        others = """
            select 1 from current_judgment j join pair p on p.id = j.pair_id where p.for_annotator_id <> j.annotator_id
        """
        assert db.execute(others).fetchall() == []


def test_fifty_people_judge_each_pair_just_as_often_as_it_wants(tmp_path: Path, clicks: ThreadPoolExecutor) -> None:
    path = tmp_path / "prefloop.db"
    with PreferenceStore.open(path, clock=Ticks()) as store, ThreadPoolExecutor(PEOPLE) as threads:
        some = crowd(store, clicks, pairs=60, duration_ms=MINUTE)
        list(threads.map(some.work, some.people))
        assert_just(path)
        assert store.check() == []


def fooled_around(path: Path, clicks: ThreadPoolExecutor, acts: int, seed: int) -> None:
    """Fifty people do whatever they like while leases end under them; then they judge what is left."""
    with PreferenceStore.open(path, clock=Ticks()) as store, ThreadPoolExecutor(PEOPLE) as threads:
        some = crowd(store, clicks, pairs=60, duration_ms=60)
        sources = [random.Random(f"{seed} {person.id}") for person in some.people]
        list(threads.map(some.fool_around, some.people, sources, itertools.repeat(acts)))
        for person in some.people:
            some.work(person)
        for person in some.people:
            some.work(person)
        assert_just(path)
        assert store.check() == []


def test_nothing_people_do_makes_a_pair_too_full_or_leaves_it_wanting(
    tmp_path: Path, clicks: ThreadPoolExecutor
) -> None:
    fooled_around(tmp_path / "prefloop.db", clicks, acts=6, seed=0)


@pytest.mark.slow
def test_nor_in_ten_minutes(tmp_path: Path, clicks: ThreadPoolExecutor) -> None:
    until = time.monotonic() + TEN_MINUTES
    for seed in itertools.count():
        if time.monotonic() > until:
            return
        fooled_around(tmp_path / f"{seed}.db", clicks, acts=30, seed=seed)
