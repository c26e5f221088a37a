"""Rounds taken again: each is what the round would have been without those judgments, and nothing else changes."""

import pytest

from data.errors import ConflictError
from data.records import Annotator, Choice, Flag, Pair, Remarks, Round, RoundState, Verdict, Without
from data.rounds.selection_rules import TAKE_ALL, SelectionRules
from tests.data.scene import Scene, completion, raw


def begun(scene: Scene, rules: SelectionRules = TAKE_ALL, state: RoundState = RoundState.PROMOTED) -> Round:
    """A round that has ended, a while ago."""
    created = scene.store.rounds.create(config={}, started_by=None, rules=rules, admit=lambda *_: None)
    ended = scene.store.rounds.set_state(created.id, state)
    scene.clock.now += 1
    return ended


def again(scene: Scene, before: Round, *without: Annotator) -> Round:
    """The round without these, ended."""
    left_out = Without(annotators=tuple(one.id for one in without))
    rebuilt = scene.store.rounds.rebuild(before.id, left_out, config={}, started_by=None, admit=lambda *_: None)
    return scene.store.rounds.set_state(rebuilt.id, RoundState.WAITING)


def trained(scene: Scene, entry: Round) -> list[int]:
    return [preference.pair_id for preference in scene.store.rounds.snapshot(entry.id).train]


def flag(scene: Scene, annotator: Annotator, pair: Pair) -> None:
    remarks = Remarks(flag=Flag.PERSONAL_DATA)
    lease = scene.lease(annotator, pair)
    verdict = Verdict(Choice.SKIP, remarks=remarks)
    scene.store.judgments.record(annotator.id, lease.token, verdict, idempotency_key=f"flag {pair.id}")


class TestTheFlipRate:
    def judged_by_two(self, scene: Scene, *, agree: int, disagree: int) -> list[Annotator]:
        one, two = scene.annotator(), scene.annotator()
        for number in range(agree + disagree):
            pair = scene.pair(target=2)
            scene.judge(one, Choice.A, pair)
            scene.judge(two, Choice.A if number < agree else Choice.B, pair)
        return [one, two]

    def test_it_does_not_change_with_somebody_who_judged_other_pairs(self, scene: Scene) -> None:
        self.judged_by_two(scene, agree=26, disagree=6)
        other = scene.annotator()
        scene.judge(other, Choice.A, scene.pair())
        before = begun(scene)
        assert before.flip_rate == pytest.approx(0.105, abs=0.001)
        assert again(scene, before, other).flip_rate == before.flip_rate

    def test_it_is_measured_on_who_is_left(self, scene: Scene) -> None:
        self.judged_by_two(scene, agree=31, disagree=0)
        liar, _ = self.judged_by_two(scene, agree=0, disagree=9)
        before = begun(scene)
        assert before.flip_rate is not None
        assert before.flip_rate > 0.1
        assert again(scene, before, liar).flip_rate == 0

    def test_it_is_the_rounds_own_where_too_few_are_left(self, scene: Scene) -> None:
        one, _ = self.judged_by_two(scene, agree=26, disagree=6)
        before = begun(scene)
        assert again(scene, before, one).flip_rate == before.flip_rate


def test_what_somebody_cancelled_comes_back(scene: Scene) -> None:
    good, liar = scene.annotator(), scene.annotator()
    kept, cancelled, called_bad = (scene.pair(target=2) for _ in range(3))
    for pair in (kept, cancelled):
        scene.judge(good, Choice.A, pair)
    scene.judge(good, Choice.TIE, called_bad)
    scene.judge(liar, Choice.B, cancelled)
    scene.judge(liar, Choice.BOTH_BAD, called_bad)
    before = begun(scene)
    assert trained(scene, before) == [kept.id]
    rebuilt = again(scene, before, liar)
    assert trained(scene, rebuilt) == [kept.id, cancelled.id]
    assert (rebuilt.counts["both_bad"], rebuilt.counts["excluded_without"]) == (0, 2)


@pytest.mark.parametrize(
    ("rules", "why"),
    [(SelectionRules(agreement=0.9), "disputed"), (SelectionRules(least_strength=2), "weak")],
)
def test_the_rules_of_the_round_hold(scene: Scene, rules: SelectionRules, why: str) -> None:
    good, careless, liar = (scene.annotator() for _ in range(3))
    clear, doubtful = scene.pair(target=4), scene.pair(target=4)
    for annotator in (good, careless):
        scene.judge(annotator, Choice.A, clear, strength=3)
    scene.judge(liar, Choice.A, clear, strength=3)
    for annotator, choice in ((good, Choice.A), (scene.annotator(), Choice.A), (careless, Choice.B)):
        scene.judge(annotator, choice, doubtful, strength=1)
    before = begun(scene, rules)
    rebuilt = again(scene, before, liar)
    assert trained(scene, rebuilt) == [clear.id]
    assert rebuilt.counts[f"excluded_{why}"] == 3


def test_it_draws_from_the_same_pairs_since_the_round_before(scene: Scene) -> None:
    good, liar = scene.annotator(), scene.annotator()
    rules = SelectionRules(since_last=True)
    kept = scene.pair()
    scene.judge(good, Choice.A, scene.pair())
    begun(scene, rules)
    scene.judge(good, Choice.A, kept)
    late = begun(scene, rules, state=RoundState.FAILED)
    scene.judge(liar, Choice.A, scene.pair())
    before = begun(scene, rules)
    scene.judge(good, Choice.A, scene.pair())
    begun(scene, rules)
    scene.store.rounds.reopen(late.id)
    scene.store.rounds.set_state(late.id, RoundState.PROMOTED)
    assert trained(scene, again(scene, before, liar)) == [kept.id]


def test_nobody_left_out_it_is_the_same_whatever_happened_since(scene: Scene) -> None:
    ann, doubted, barred = (scene.annotator() for _ in range(3))
    pairs = [scene.pair(target=2) for _ in range(6)]
    scene.judge(ann, Choice.A, pairs[0])
    undone, _ = scene.undo(ann)
    scene.answer(undone, Choice.B)
    for pair, choice in ((pairs[1], Choice.A), (pairs[2], Choice.BOTH_BAD), (pairs[3], Choice.A)):
        scene.judge(ann, choice, pair)
    flag(scene, doubted, pairs[3])
    scene.judge(doubted, Choice.B, pairs[1])
    scene.judge(doubted, Choice.A, pairs[4])
    scene.judge(barred, Choice.A, pairs[5])
    scene.store.quarantines.begin(barred.id, reason="x", made_by=None)
    scene.clock.now += 1
    before = begun(scene)
    assert trained(scene, before) == [pairs[0].id, pairs[4].id]

    scene.undo(ann)
    scene.undo(doubted)
    flag(scene, scene.annotator(), pairs[0])
    scene.store.quarantines.begin(doubted.id, reason="x", made_by=None)
    scene.store.quarantines.lift(barred.id, lifted_by=None)
    rebuilt = again(scene, before)
    assert (rebuilt.sha256, rebuilt.flip_rate, rebuilt.rules) == (before.sha256, before.flip_rate, before.rules)
    assert rebuilt.counts == before.counts


def test_a_flag_bars_whoever_raised_it(scene: Scene) -> None:
    good, liar = scene.annotator(), scene.annotator()
    kept, flagged = scene.pair(), scene.pair(target=2)
    for pair in (kept, flagged):
        scene.judge(good, Choice.A, pair)
    flag(scene, liar, flagged)
    assert trained(scene, again(scene, begun(scene), liar)) == [kept.id]


def test_the_same_two_answers_count_once(scene: Scene) -> None:
    good, liar, prompt = scene.annotator(), scene.annotator(), scene.prompt_id()
    first, second = (
        scene.store.pairs.add(prompt, completion("yes", seed=seed), completion("no", seed=seed)) for seed in (1, 2)
    )
    for annotator, pair in ((good, first), (good, second), (liar, scene.pair())):
        scene.judge(annotator, Choice.A, pair)
    assert trained(scene, again(scene, begun(scene), liar)) == [second.id]


def test_of_a_round_of_an_older_prefloop_only_what_it_used_is_known(scene: Scene) -> None:
    good, liar = scene.annotator(), scene.annotator()
    kept, cancelled = (scene.pair(target=2) for _ in range(2))
    for pair in (kept, cancelled):
        scene.judge(good, Choice.A, pair)
    scene.judge(liar, Choice.B, cancelled)
    scene.judge(liar, Choice.A, scene.pair())
    before = begun(scene)
    with raw(scene.path) as file:
        file.execute("update round set sha256 = null, rules = '{}', flip_rate = 0.25")
    rebuilt = again(scene, before, liar)
    assert trained(scene, rebuilt) == [kept.id]
    assert rebuilt.flip_rate == 0.25


def test_what_was_taken_again_is_not_taken_again_itself(scene: Scene) -> None:
    good, liar = scene.annotator(), scene.annotator()
    for annotator in (good, liar):
        scene.judge(annotator, Choice.A, scene.pair())
    before = begun(scene)
    rebuilt = again(scene, before, liar)
    with pytest.raises(ConflictError, match=f"is round {before.id} taken again; rebuild that one"):
        again(scene, rebuilt, good)
