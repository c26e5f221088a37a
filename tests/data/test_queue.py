import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlite_utils

from data import queue
from data.records import Choice, Role
from data.store import PreferenceStore
from tests.data.scene import MINUTE, Scene, raw

MANY = 100_000


def test_the_oldest_pair_comes_first(scene: Scene) -> None:
    ann = scene.annotator()
    pairs = [scene.pair() for _ in range(4)]
    assert [scene.judge(ann, Choice.A).pair_id for _ in pairs] == [pair.id for pair in pairs]


def test_a_higher_priority_comes_before_an_older_pair(scene: Scene) -> None:
    scene.pair()
    urgent = scene.pair()
    with raw(scene.path) as connection:
        connection.execute("update pair set priority = 1 where id = ?", [urgent.id])
    assert scene.lease(scene.annotator()).pair == urgent


def test_only_pairs_of_the_version_asked_for(scene: Scene) -> None:
    ann = scene.annotator()
    scene.add_version("v1")
    scene.pair()
    wanted = scene.pair(version="v1")
    lease = scene.store.pairs.lease(ann.id, duration_ms=MINUTE, version="v1")
    assert lease is not None
    assert lease.pair == wanted


def test_a_skipped_pair_goes_to_others_but_never_back(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    pair = scene.pair()
    scene.judge(ann, Choice.SKIP)
    assert scene.store.pairs.lease(ann.id, duration_ms=MINUTE) is None
    assert scene.lease(other).pair == pair


def test_a_pair_is_given_to_as_many_as_it_wants_and_each_once(scene: Scene) -> None:
    pair = scene.pair(target=2)
    one, two, three = (scene.annotator() for _ in range(3))
    scene.judge(one, Choice.A)
    assert scene.store.pairs.lease(one.id, duration_ms=MINUTE) is None
    assert scene.lease(two).pair == pair
    assert scene.store.pairs.lease(three.id, duration_ms=MINUTE) is None


def test_ties_fill_a_pair(scene: Scene) -> None:
    scene.pair()
    scene.judge(scene.annotator(), Choice.TIE)
    assert scene.store.pairs.lease(scene.annotator().id, duration_ms=MINUTE) is None


def test_a_retracted_judgment_offers_the_pair_again_to_everybody(scene: Scene) -> None:
    ann = scene.annotator()
    pair = scene.pair()
    scene.judge(ann, Choice.A)
    lease, _ = scene.undo(ann)
    scene.store.pairs.release(lease.token, ann.id)
    assert scene.lease(ann).pair == pair
    scene.store.pairs.release(scene.lease(ann).token, ann.id)
    assert scene.lease(scene.annotator()).pair == pair


@pytest.mark.parametrize("sql", [queue._NEXT_OF_ANY, queue._NEXT_OF_VERSION])
def test_the_search_sorts_nothing_and_walks_only_open_pairs(scene: Scene, sql: str) -> None:
    with raw(scene.path) as connection:
        params = {"annotator": 1, "now": 1, "version": 1}
        plan = [row[3] for row in connection.execute(f"explain query plan {sql}", params)]
    assert "USING INDEX pair_open" in plan[0]
    assert not any("TEMP B-TREE" in step for step in plan)
    assert all(step.startswith(("SEARCH", "CORRELATED")) for step in plan[1:])


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PreferenceStore]:
    """100,000 pairs, 90,000 of them full."""
    path: Path = tmp_path_factory.mktemp("crowded") / "prefloop.db"
    with PreferenceStore.open(path) as store:
        store.versions.ensure_base("tiny", "r1")
        store.people.add("ann", Role.ANNOTATOR)
        store.prompts.add([[{"role": "user", "content": "q"}]], source="test")
        store._database.write(fill)
        yield store


def fill(db: sqlite_utils.Database) -> None:
    numbers = f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {2 * MANY})"
    db.execute(f"""
        insert into completion(prompt_id, version_id, text, token_ids, logprobs, finish_reason, sampling,
          seed, created_at, sha256)
        {numbers} select 1, 1, 'x', '[]', '[]', 'stop', '{{}}', 1, 1, '' from n
    """)
    db.execute(f"""
        insert into pair(prompt_id, completion_a_id, completion_b_id, version_id, strategy, target_judgments,
          judged, created_at)
        {numbers} select 1, 2 * i - 1, 2 * i, 1, 'random', 1, i <= {MANY - MANY // 10}, 1 from n
        where i <= {MANY}
    """)


@pytest.mark.parametrize("version", [None, "base"])
def test_the_next_of_many_pairs_is_quick(
    crowded: PreferenceStore, version: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    ann, times = crowded.people.all()[0], []
    for _ in range(50):
        began = time.perf_counter()
        lease = crowded.pairs.lease(ann.id, duration_ms=MINUTE, version=version)
        times.append(time.perf_counter() - began)
        assert lease is not None
        crowded.pairs.release(lease.token, ann.id)
    with capsys.disabled():
        middle, worst = sorted(times)[25] * 1e3, max(times) * 1e3
        sys.stdout.write(
            f"\nnext of {MANY} pairs ({version or 'any version'}): median {middle:.1f} ms, worst {worst:.1f} ms"
        )
