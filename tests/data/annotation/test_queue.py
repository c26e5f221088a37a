import math
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils

from data.annotation import queue
from data.annotation.pairs import Pairs
from data.annotation.queue import QueueRules
from data.annotation.strategies import StrategyName
from data.records import Annotator, Choice, Completion, Flag, Judgment, Lease, Purpose, Remarks, Role, Verdict
from data.store import PreferenceStore
from tests.data.scene import MINUTE, Scene, completion, raw

MANY = 100_000


def drawn(scene: Scene, lease: Lease) -> tuple[str, float]:
    """How the queue chose what is leased, as the row has it."""
    with raw(scene.path) as connection:
        sql = "select strategy, propensity from lease where token = ?"
        strategy, propensity = connection.execute(sql, [lease.token]).fetchone()
    return strategy, propensity


def ask(scene: Scene, annotator: Annotator, **rules: Any) -> Lease | None:
    return scene.store.pairs.lease(annotator.id, duration_ms=MINUTE, rules=QueueRules(**rules))


def reask(scene: Scene, annotator: Annotator, **rules: Any) -> Lease | None:
    """A re-ask in place of a pair that waits, if the annotator is given one."""
    scene.pair()
    lease = ask(scene, annotator, reask=1.0, **rules)
    assert lease is not None
    if lease.pair.purpose is Purpose.REASK:
        return lease
    scene.store.pairs.release(lease.token, annotator.id)
    return None


def judge(scene: Scene, annotator: Annotator, choice: Choice = Choice.A, **rules: Any) -> Judgment:
    lease = ask(scene, annotator, **rules)
    assert lease is not None
    return scene.answer(lease, choice)


def test_every_pair_that_waits_comes_once_by_chance(scene: Scene) -> None:
    ann = scene.annotator()
    pairs = [scene.pair() for _ in range(4)]
    assert {scene.judge(ann, Choice.A).pair_id for _ in pairs} == {pair.id for pair in pairs}
    assert scene.store.pairs.lease(ann.id, duration_ms=MINUTE) is None


def test_the_strategy_and_the_propensity_are_stored(scene: Scene) -> None:
    ann = scene.annotator()
    for _ in range(4):
        scene.pair()
    assert drawn(scene, scene.lease(ann)) == ("random", 0.25)
    strategy, propensity = drawn(scene, scene.lease(scene.annotator()))
    assert strategy == "random"
    assert propensity == pytest.approx(1 / 3)


def test_the_least_certain_pair_is_chosen_but_for_a_share(scene: Scene) -> None:
    pairs = [scene.pair() for _ in range(3)]
    with raw(scene.path) as connection:
        for pair, margin in zip(pairs, (-4.0, 0.5, 2.0), strict=True):
            connection.execute("update pair set margin = ? where id = ?", [margin, pair.id])
    lease = ask(scene, scene.annotator(), strategy=StrategyName.UNCERTAINTY)
    assert lease is not None
    assert (lease.pair.id, drawn(scene, lease)) == (pairs[1].id, ("uncertainty", 1.0))


def test_the_least_familiar_prompt_is_chosen(scene: Scene) -> None:
    texts = ("how do I boil an egg", "how do I boil a potato", "name three rivers of Spain")
    prompts = [scene.store.prompts.write(text, scene.annotator().id) for text in texts]
    a, b = completion("one"), completion("two")
    scene.judge(scene.annotator(), Choice.A, scene.store.pairs.add(prompts[0].id, a, b))
    likely, unlike = (scene.store.pairs.add(prompt.id, a, b) for prompt in prompts[1:])
    lease = ask(scene, scene.annotator(), strategy=StrategyName.DIVERSITY)
    assert lease is not None
    assert lease.pair == unlike
    assert likely != unlike


def test_a_pair_that_another_judged_comes_before_fresh_ones(scene: Scene) -> None:
    overlap = scene.pair(target=2)
    scene.judge(scene.annotator(), Choice.A, overlap)
    for _ in range(5):
        scene.pair()
    lease = scene.lease(scene.annotator())
    assert (lease.pair, drawn(scene, lease)) == (overlap, ("overlap", 1.0))


def test_a_known_pair_is_asked_of_everybody_once_but_not_of_those_who_judged_it(scene: Scene) -> None:
    author, *people = (scene.annotator() for _ in range(4))
    pair = scene.pair()
    scene.judge(author, Choice.A, pair)
    known = scene.store.gold.make(pair.id, Choice.A, explanation="", made_by=None)
    for person in people:
        assert judge(scene, person, gold=1.0).pair_id == known.pair.id
        assert ask(scene, person, gold=1.0) is None
    assert ask(scene, author, gold=1.0) is None


def test_many_may_hold_a_known_pair_at_once(scene: Scene) -> None:
    known = scene.store.gold.make(scene.pair().id, Choice.A, explanation="", made_by=None)
    leases = [ask(scene, scene.annotator(), gold=1.0) for _ in range(5)]
    assert [lease and lease.pair for lease in leases] == [known.pair] * 5


def test_a_retired_known_pair_is_asked_no_more(scene: Scene) -> None:
    pair = scene.pair()
    known = scene.store.gold.make(pair.id, Choice.A, explanation="", made_by=None)
    scene.store.gold.retire(known.pair.id)
    lease = ask(scene, scene.annotator(), gold=1.0)
    assert lease is not None
    assert lease.pair == pair


def test_a_pair_is_asked_again_once_with_its_sides_swapped(scene: Scene) -> None:
    ann = scene.annotator()
    first = scene.judge(ann, Choice.A, scene.pair())
    lease = reask(scene, ann)
    assert lease is not None
    assert (lease.pair.a, lease.pair.b, lease.swapped) == (*_answers(scene, first), not first.swapped)
    assert lease.pair.purpose is Purpose.REASK
    scene.answer(lease, Choice.A)
    assert reask(scene, ann) is None
    assert len(scene.store.rounds.preview().train) == 1


def test_a_re_ask_that_was_given_back_comes_again_the_same_way(scene: Scene) -> None:
    ann = scene.annotator()
    first = scene.judge(ann, Choice.A, scene.pair())
    for _ in range(3):
        lease = reask(scene, ann)
        assert lease is not None
        assert lease.swapped is not first.swapped
        scene.store.pairs.release(lease.token, ann.id)


def test_a_pair_is_asked_again_only_after_others_and_only_of_its_annotator(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    for number in range(3):
        assert reask(scene, ann, reask_after=3) is None, number
        scene.judge(ann, Choice.A, scene.pair())
    lease = reask(scene, ann, reask_after=3)
    assert lease is not None
    assert reask(scene, other) is None


def test_who_waits_for_a_pair_is_not_asked_again_instead(scene: Scene) -> None:
    """However often they ask: a share is one of the pairs that people are given."""
    ann = scene.annotator()
    scene.judge(ann, Choice.A, scene.pair())
    assert [ask(scene, ann, reask=0.5) for _ in range(20)] == [None] * 20


@pytest.mark.parametrize("choice", [Choice.TIE, Choice.BOTH_BAD, Choice.SKIP])
def test_only_a_choice_is_asked_again(scene: Scene, choice: Choice) -> None:
    ann = scene.annotator()
    scene.judge(ann, choice, scene.pair())
    assert reask(scene, ann) is None


def test_evaluation_pairs_are_drawn_when_their_turn_comes_and_never_train(scene: Scene) -> None:
    scene.add_version("v1")
    newer, older = completion("new", "v1"), completion("old")
    match = scene.store.pairs.add_evaluation(scene.prompt_id(), newer, older, champion="v1")
    scene.pair(version="v1")
    ann = scene.annotator()
    assert judge(scene, ann, evaluation=1.0).pair_id == match.id
    assert scene.store.rounds.preview().train == ()
    assert scene.store.rounds.preview().excluded == {"eval": 1}


def test_what_the_drawn_purpose_has_not_another_gives(scene: Scene) -> None:
    ann = scene.annotator()
    pair = scene.pair()
    assert judge(scene, ann, gold=0.4, reask=0.3, evaluation=0.3).pair_id == pair.id
    known = scene.store.gold.make(scene.pair().id, Choice.A, explanation="", made_by=None)
    scene.judge(scene.annotator(), Choice.A)
    assert judge(scene, ann, gold=0.01).pair_id == known.pair.id


def test_purposes_come_as_often_as_their_shares_say(scene: Scene) -> None:
    rules = QueueRules(gold=0.2, reask=0.1, evaluation=0.3)
    source = random.Random(0)
    asking = queue.Asking(1, 0, None, rules, source)
    counts = Counter(next(queue._purposes(asking)) for _ in range(10_000))
    shares = {Purpose.GOLD: 0.2, Purpose.REASK: 0.1, Purpose.EVAL: 0.3, Purpose.TRAIN: 0.4}
    assert {purpose: counts[purpose] / 10_000 for purpose in shares} == pytest.approx(shares, abs=0.02)


def test_draws_are_as_frequent_as_the_propensity_says(scene: Scene) -> None:
    """Each pair's share of 400 draws is within four standard errors of what its leases say."""
    scene.store.pairs = Pairs(scene.store._database, scene.clock, scene.store.prompts, random.Random(0))
    pairs = [scene.pair() for _ in range(4)]
    with raw(scene.path) as connection:
        connection.executemany("update pair set margin = id where id = ?", [(pair.id,) for pair in pairs])
    ann, drawn_pairs, said = scene.annotator(), Counter[int](), dict[int, float]()
    for _ in range(400):
        lease = ask(scene, ann, strategy=StrategyName.UNCERTAINTY, explore=0.6)
        assert lease is not None
        drawn_pairs[lease.pair.id] += 1
        said[lease.pair.id] = drawn(scene, lease)[1]
        scene.store.pairs.release(lease.token, ann.id)
    assert said == pytest.approx({pairs[0].id: 0.55} | {pair.id: 0.15 for pair in pairs[1:]})
    for pair_id, share in said.items():
        assert abs(drawn_pairs[pair_id] / 400 - share) < 4 * math.sqrt(share * (1 - share) / 400)


def test_who_judged_the_copy_is_not_given_the_original(scene: Scene) -> None:
    ann = scene.annotator()
    pair, half = scene.pair(), scene.pair(target=2)
    scene.judge(scene.annotator(), Choice.A, half)
    for original in (pair, half):
        scene.store.gold.make(original.id, Choice.A, explanation="", made_by=None)
        judge(scene, ann, gold=1.0)
    assert ask(scene, ann) is None
    assert scene.lease(scene.annotator()).pair == half


def test_nobody_is_tested_by_a_known_pair_of_his_own(scene: Scene) -> None:
    maker = scene.annotator()
    known = scene.store.gold.write("2 + 2?", "4", "5", explanation="", made_by=maker.id)
    assert ask(scene, maker, gold=1.0) is None
    assert judge(scene, scene.annotator(), gold=1.0).pair_id == known.pair.id


def test_what_was_taken_back_is_not_asked_again(scene: Scene) -> None:
    ann = scene.annotator()
    scene.judge(ann, Choice.A, scene.pair())
    begun = reask(scene, ann)
    assert begun is not None
    undone, _ = scene.undo(ann)
    scene.store.pairs.release(undone.token, ann.id)
    assert reask(scene, ann) is None


def test_a_flagged_pair_and_a_retired_prompt_are_not_asked_again(scene: Scene) -> None:
    ann = scene.annotator()
    flagged = Verdict(Choice.A, remarks=Remarks(flag=Flag.PERSONAL_DATA))
    scene.store.judgments.record(ann.id, scene.lease(ann, scene.pair()).token, flagged, idempotency_key="flag")
    assert reask(scene, ann) is None
    pair = scene.pair()
    scene.judge(ann, Choice.A, pair)
    scene.store.prompts.retire(pair.prompt.id)
    assert reask(scene, ann) is None


def test_sides_are_balanced_over_all_that_one_is_given(scene: Scene) -> None:
    """Re-asks have a side prescribed; the others make up for it."""
    ann, sides = scene.annotator(), list[bool]()
    for _ in range(60):
        scene.pair()
        lease = ask(scene, ann, reask=0.2)
        assert lease is not None
        sides.append(lease.swapped)
        scene.answer(lease, Choice.A)
    leans = [abs(2 * sum(sides[: n + 1]) - (n + 1)) for n in range(50)]
    assert max(leans) <= 10


def test_undoing_does_not_foretell_the_next_side(scene: Scene) -> None:
    ann, seen = scene.annotator(), set[bool]()
    for _ in range(40):
        judged = scene.judge(ann, Choice.A, scene.pair())
        for _ in range(5):
            scene.answer(scene.undo(ann)[0], Choice.A)
        lease = scene.lease(ann, scene.pair())
        seen.add(lease.swapped == judged.swapped)
        scene.answer(lease, Choice.A)
    assert seen == {True, False}


def _answers(scene: Scene, judgment: Judgment) -> tuple[Completion, Completion]:
    pair = scene.store.pairs.by_id(judgment.pair_id)
    return pair.a, pair.b


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


def test_half_an_overlap_is_made_whole_after_the_version_has_changed(scene: Scene) -> None:
    ann, ben = scene.annotator(), scene.annotator()
    scene.add_version("v1")
    halves = [scene.pair(target=2) for _ in range(3)]
    for pair in halves:
        scene.judge(ann, Choice.A, pair)
    fresh = scene.pair(version="v1")
    scene.store.pairs.withdraw_except("v1")
    assert scene.store.pairs.half_judged() == 3
    given = []
    for person in (ann, ben, ben, ben):
        lease = scene.store.pairs.lease(person.id, duration_ms=MINUTE, version="v1")
        assert lease is not None
        given.append(lease.pair.id)
        if lease.pair != fresh:
            scene.answer(lease, Choice.B)
    assert given == [fresh.id, *(pair.id for pair in halves)]
    assert scene.store.pairs.half_judged() == 0


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


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (queue._FRESH.format(purpose="train", version=""), "pair_fresh"),
        (queue._FRESH.format(purpose="eval", version=queue._OF_VERSION), "pair_fresh_of_version"),
        (queue._HALF, "pair_half"),
    ],
)
def test_the_search_sorts_nothing_and_walks_only_open_pairs(scene: Scene, sql: str, index: str) -> None:
    with raw(scene.path) as connection:
        params = {"annotator": 1, "now": 1, "version": 1}
        plan = [row[3] for row in connection.execute(f"explain query plan {sql}", params)]
    assert re.search(rf"USING INDEX {index}\b", plan[0]), plan
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
