import math
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest

from data.errors import ConflictError, InputError, NotFoundError
from data.records import Annotator, Choice, Pair, Purpose, Verdict
from tests.data.scene import MINUTE, Scene, completion, raw


def test_a_pair_comes_back_with_all_that_made_it(scene: Scene) -> None:
    prompt_id = scene.prompt_id()
    a, b = completion("a 🙂\0\n", seed=(1 << 63) - 1), completion("b")
    pair = scene.store.pairs.add(prompt_id, a, b, target_judgments=3)
    for stored, new in ((pair.a, a), (pair.b, b)):
        assert (stored.text, stored.seed, stored.version) == (new.text, new.seed, new.version)
        assert (stored.token_ids, stored.logprobs) == (new.token_ids, new.logprobs)
        assert (stored.finish_reason, stored.sampling) == (new.finish_reason, new.sampling)
        assert scene.store.pairs.completion(stored.id) == stored
    assert (pair.target_judgments, pair.prompt.id) == (3, prompt_id)
    assert scene.store.pairs.by_id(pair.id) == pair


def test_what_a_pair_is_made_of_must_exist(scene: Scene) -> None:
    with pytest.raises(NotFoundError, match="no prompt 99"):
        scene.store.pairs.add(99, completion(), completion())
    with pytest.raises(NotFoundError, match="no adapter version v9"):
        scene.store.pairs.add(scene.prompt_id(), completion(version="v9"), completion(version="v9"))
    with pytest.raises(NotFoundError, match="no pair 99"):
        scene.store.pairs.by_id(99)
    with pytest.raises(NotFoundError, match="no completion 99"):
        scene.store.pairs.completion(99)


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        ({"logprobs": (-0.1,)}, "3 token ids but 1 log-prob"),
        ({"logprobs": (-0.1, math.nan, 0.0)}, "not a finite number"),
        ({"logprobs": (-0.1, -math.inf, 0.0)}, "not a finite number"),
        ({"seed": 1 << 63}, "seed"),
        ({"seed": -1}, "seed"),
        ({"version": "v1"}, "of one version"),
    ],
)
def test_an_unsound_completion_is_refused(scene: Scene, flaw: dict[str, Any], words: str) -> None:
    scene.add_version("v1")
    with pytest.raises(InputError, match=words):
        scene.store.pairs.add(scene.prompt_id(), completion(), replace(completion(), **flaw))


def test_a_pair_wants_at_least_one_judgment(scene: Scene) -> None:
    with pytest.raises(InputError, match="at least 1 judgment, not 0"):
        scene.pair(target=0)


def test_a_reload_shows_the_same_pair_with_the_same_sides(scene: Scene) -> None:
    ann = scene.annotator()
    scene.pair()
    scene.pair()
    lease = scene.lease(ann)
    assert all(scene.lease(ann) == lease for _ in range(5))
    assert lease.expires_at == scene.clock.now + 10 * MINUTE


def test_sides_are_shown_as_drawn(scene: Scene) -> None:
    ann = scene.annotator()
    seen = set()
    for _ in range(20):
        lease = scene.lease(ann, scene.pair())
        left, right = lease.shown
        assert (left.text.startswith("right"), right.text.startswith("left")) == (lease.swapped, lease.swapped)
        seen.add(lease.swapped)
    assert seen == {True, False}


def test_sides_are_balanced_but_cannot_be_foretold(scene: Scene) -> None:
    prompt_id = scene.prompt_id()

    def drawn(annotator: Annotator) -> bool:
        pair = scene.store.pairs.add(prompt_id, completion(), completion("no"))
        return scene.lease(annotator, pair).swapped

    ann = scene.annotator()
    sides = [drawn(ann) for _ in range(200)]
    leans = [abs(2 * sum(sides[: n + 1]) - (n + 1)) for n in range(50)]
    assert max(leans) <= 3
    assert 80 < sum(sides) < 120
    assert max(len(list(run)) for _, run in groupby(sides)) >= 3
    assert {drawn(scene.annotator()) for _ in range(40)} == {True, False}


def test_two_annotators_get_different_pairs(scene: Scene) -> None:
    scene.pair()
    scene.pair()
    assert scene.lease(scene.annotator()).pair != scene.lease(scene.annotator()).pair


def test_nothing_to_lend_is_none(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    assert scene.store.pairs.lease(ann.id, duration_ms=MINUTE) is None
    scene.pair()
    scene.lease(ann)
    assert scene.store.pairs.lease(other.id, duration_ms=MINUTE) is None


def test_unknown_borrowers_and_versions_are_not_found(scene: Scene) -> None:
    pair = scene.pair()
    with pytest.raises(NotFoundError, match="no annotator 99"):
        scene.store.pairs.lease(99, duration_ms=MINUTE)
    with pytest.raises(NotFoundError, match="no annotator 99"):
        scene.store.pairs.lease_pair(pair.id, 99, duration_ms=MINUTE)
    with pytest.raises(NotFoundError, match="no adapter version v9"):
        scene.store.pairs.lease(scene.annotator().id, duration_ms=MINUTE, version="v9")


def test_an_expired_lease_offers_the_pair_again(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    scene.pair()
    first = scene.lease(ann)
    scene.clock.now += 10 * MINUTE
    second = scene.lease(other)
    assert second.pair == first.pair
    assert second.token != first.token


def test_a_released_pair_is_offered_again(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    scene.pair()
    lease = scene.lease(ann)
    scene.store.pairs.release(lease.token, ann.id)
    scene.store.pairs.release(lease.token, ann.id)
    assert scene.lease(other).pair == lease.pair


def test_nobody_releases_what_another_holds(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    scene.pair()
    lease = scene.lease(ann)
    with pytest.raises(NotFoundError, match="not assigned to you"):
        scene.store.pairs.release(lease.token, other.id)
    assert scene.lease(ann) == lease


def test_lending_one_very_pair_gives_back_what_was_held(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    old, new = scene.pair(), scene.pair()
    scene.lease(ann, old)
    lease = scene.lease(ann, new)
    assert scene.lease(ann, new) == scene.lease(ann) == lease
    assert scene.lease(other).pair == old


def test_a_pair_with_others_or_judged_or_withdrawn_is_not_lent(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    pair = scene.pair()
    scene.lease(other, pair)
    with pytest.raises(ConflictError, match="with others"):
        scene.lease(ann, pair)
    both = scene.pair(target=2)
    scene.judge(ann, Choice.A, both)
    with pytest.raises(ConflictError, match=r"judged pair \d+ already"):
        scene.lease(ann, both)
    scene.add_version("v1")
    old = scene.pair()
    scene.store.pairs.withdraw_except("v1")
    with pytest.raises(ConflictError, match="withdrawn"):
        scene.lease(ann, old)
    with pytest.raises(NotFoundError, match="no pair 99"):
        scene.store.pairs.lease_pair(99, ann.id, duration_ms=MINUTE)


def test_ready_counts_what_could_still_be_given(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    scene.add_version("v1")
    pair, overlap = scene.pair(), scene.pair(target=2)
    scene.pair(version="v1")
    ready = scene.store.pairs.ready
    assert (ready(), ready("base"), ready("v1"), ready("v9")) == (3, 2, 1, 0)
    lease = scene.lease(ann, pair)
    assert (ready(), ready("base")) == (2, 1)
    scene.answer(lease, Choice.TIE)
    assert ready() == 2
    scene.lease(ann, overlap)
    assert ready("base") == 1
    scene.lease(other, overlap)
    assert ready("base") == 0
    scene.clock.now += 10 * MINUTE
    assert ready("base") == 1


def test_a_pair_that_waits_for_a_second_opinion_is_not_ready_for_all(scene: Scene) -> None:
    ann = scene.annotator()
    pair = scene.pair(target=2)
    scene.judge(ann, Choice.SKIP, pair)
    assert scene.store.pairs.ready() == 1
    scene.judge(scene.annotator(), Choice.A, pair)
    assert scene.store.pairs.ready() == 0
    assert scene.lease(scene.annotator()).pair == pair


def test_withdrawing_spares_what_is_judged_or_held_or_of_the_version(scene: Scene) -> None:
    ann = scene.annotator()
    scene.add_version("v1")
    judged, full = scene.pair(target=2), scene.pair()
    scene.judge(ann, Choice.A, judged)
    scene.judge(ann, Choice.A, full)
    held, idle, kept = scene.pair(), scene.pair(), scene.pair(version="v1")
    scene.lease(ann, held)
    assert scene.store.pairs.withdraw_except("v1") == 1
    assert scene.store.pairs.withdraw_except("v1") == 0
    assert scene.store.pairs.ready() == 1
    assert {scene.lease(scene.annotator()).pair.id for _ in range(2)} == {judged.id, kept.id}
    assert scene.store.pairs.by_id(idle.id) == idle
    with pytest.raises(NotFoundError, match="no adapter version v9"):
        scene.store.pairs.withdraw_except("v9")


def measuring(scene: Scene, other: str, champion: str = "base") -> Pair:
    """A pair of two versions, of which the champion serves."""
    a, b = completion(f"{other} {champion}", other), completion("no", champion)
    return scene.store.pairs.add_evaluation(scene.prompt_id(), a, b, champion=champion)


def test_ready_counts_pairs_of_two_versions(scene: Scene) -> None:
    for name in ("v1", "v2"):
        scene.add_version(name)
    for other in ("v1", "v1", "v2"):
        measuring(scene, other)
    ready = scene.store.pairs.ready
    assert ready("base", purpose=Purpose.EVAL) == 3
    counts = [ready("base", purpose=Purpose.EVAL, against=other) for other in ("v1", "v2", "v9")]
    assert counts == [2, 1, 0]


def test_pairs_of_other_versions_than_two_are_withdrawn_unless_judged_or_held(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    for name in ("v1", "v2"):
        scene.add_version(name)
    judged, held, idle = (measuring(scene, "v1") for _ in range(3))
    kept, training = measuring(scene, "v2"), scene.pair()
    scene.judge(ann, Choice.A, judged)
    scene.lease(other, held)
    withdraw = scene.store.pairs.withdraw_evaluations_except
    assert [withdraw(("v2", "base")) for _ in range(2)] == [1, 0]
    assert scene.lease(scene.annotator(), kept).pair == kept
    assert scene.lease(scene.annotator(), training).pair == training
    with pytest.raises(ConflictError, match="withdrawn"):
        scene.lease(ann, idle)
    with pytest.raises(NotFoundError, match="no adapter version v9"):
        withdraw(("v9", "base"))


def test_pairs_of_any_two_versions_are_withdrawn_where_none_are_compared(scene: Scene) -> None:
    scene.add_version("v1")
    measuring(scene, "v1")
    scene.pair()
    assert scene.store.pairs.withdraw_evaluations_except(None) == 1
    assert scene.store.pairs.ready() == 1


def test_a_lease_that_was_judged_lends_the_next(scene: Scene) -> None:
    ann = scene.annotator()
    scene.pair()
    scene.pair()
    lease = scene.lease(ann)
    scene.store.judgments.record(ann.id, lease.token, Verdict(Choice.SKIP), idempotency_key="k")
    assert scene.lease(ann).pair != lease.pair


def test_a_pair_knows_the_lengths_of_its_answers_and_the_first_pair_with_the_same(scene: Scene) -> None:
    prompt, other = scene.prompt_id(), scene.prompt_id()
    made = [
        scene.store.pairs.add(number, completion(a), completion(b))
        for number, a, b in (
            (prompt, "yes", "no"),
            (prompt, "no", "yes"),  # the sides swapped
            (other, "yes", "no"),
            (prompt, "ye", "noo"),  # as long, not the same
            (prompt, "yes", "no"),
        )
    ]
    with raw(scene.path) as connection:
        rows = connection.execute("select length_a, length_b, same_as from pair order by id").fetchall()
    first = made[0].id
    assert [row[2] for row in rows] == [first, first, made[2].id, made[3].id, first]
    assert [row[:2] for row in rows] == [(3, 2), (2, 3), (3, 2), (2, 3), (3, 2)]
