"""Which judgments rounds take: since the last one, once only, without some; and the digest of what they took."""

from collections.abc import Callable
from typing import Any

import pytest

from data.errors import ConflictError, NotFoundError
from data.records import Choice, Round, RoundState, Split, Without
from data.rounds.selection import Selection, select
from data.rounds.selection_rules import SelectionRules
from tests.data.scene import Scene, completion

SINCE_LAST = SelectionRules(since_last=True)


def begun(scene: Scene, rules: SelectionRules = SINCE_LAST, state: RoundState = RoundState.PROMOTED) -> Round:
    """A round that has ended."""
    created = scene.store.rounds.create(config={}, started_by=None, rules=rules, admit=lambda *_: None)
    return scene.store.rounds.set_state(created.id, state)


def taken(scene: Scene, rules: SelectionRules = SINCE_LAST) -> list[int]:
    return [preference.pair_id for preference in scene.store.rounds.preview(rules).train]


@pytest.mark.parametrize("state", [RoundState.PROMOTED, RoundState.WAITING, RoundState.REFUSED])
def test_since_the_last_round_means_since_one_that_made_a_version(scene: Scene, state: RoundState) -> None:
    ann, old = scene.annotator(), scene.pair()
    scene.judge(ann, Choice.A, old)
    begun(scene, state=state)
    new = scene.pair()
    scene.judge(ann, Choice.B, new)
    assert taken(scene) == [new.id]
    assert scene.store.rounds.preview(SINCE_LAST).excluded == {"older": 1}
    assert taken(scene, SelectionRules()) == [old.id, new.id]


@pytest.mark.parametrize("state", [RoundState.FAILED, RoundState.CANCELLED])
def test_a_round_without_a_version_has_used_nothing_up(scene: Scene, state: RoundState) -> None:
    pair = scene.pair()
    scene.judge(scene.annotator(), Choice.A, pair)
    begun(scene, state=state)
    assert taken(scene) == [pair.id]


def test_the_same_two_answers_count_once_whichever_side_they_stood_on(scene: Scene) -> None:
    ann, prompt = scene.annotator(), scene.prompt_id()
    first, second = (
        scene.store.pairs.add(prompt, completion(a, seed=seed), completion(b, seed=seed))
        for a, b, seed in (("yes", "no", 1), ("no", "yes", 2))
    )
    other = scene.store.pairs.add(scene.prompt_id(), completion("yes"), completion("no"))
    for pair in (first, other, second):
        scene.judge(ann, Choice.A, pair)
    preview = scene.store.rounds.preview()
    assert [preference.pair_id for preference in preview.train] == [second.id, other.id]
    assert preview.excluded == {"duplicate": 1}


def test_an_outline_is_the_preview_in_numbers_and_has_the_digest_of_the_round(scene: Scene) -> None:
    ann = scene.annotator()
    for choice, split in ((Choice.A, Split.TRAIN), (Choice.B, Split.HELDOUT), (Choice.TIE, Split.TRAIN)):
        scene.judge(ann, choice, scene.pair(split=split))
    scene.judge(ann, Choice.BOTH_BAD, scene.pair())
    outline = scene.store.rounds.outline()
    preview = scene.store.rounds.preview()
    assert (outline.train, outline.heldout, outline.both_bad) == (1, 1, len(preview.both_bad))
    assert outline.excluded == preview.excluded == {"tie": 1}
    created = begun(scene, SelectionRules(agreement=0.5))
    assert created.sha256 == outline.sha256
    assert outline.judgments == created.counts["judgments"]
    chosen = {"since_last": False, "replay": 0.0, "agreement": 0.5, "least_strength": 1.0, "too_fast": 3.0}
    assert created.rules == chosen
    assert created.newest_judgment == 4
    scene.judge(ann, Choice.A, scene.pair())
    assert scene.store.rounds.outline().sha256 != outline.sha256
    assert scene.store.rounds.by_id(created.id).sha256 == outline.sha256


def test_what_began_a_round_is_kept(scene: Scene) -> None:
    scene.judge(scene.annotator(), Choice.A, scene.pair())
    created = scene.store.rounds.create(config={}, started_by=None, cause="every 50 judgments")
    assert scene.store.rounds.by_id(created.id).cause == "every 50 judgments"


class TestReopening:
    @pytest.mark.parametrize("state", [RoundState.FAILED, RoundState.CANCELLED])
    def test_a_round_that_did_not_end_well_goes_on_with_what_it_had(self, scene: Scene, state: RoundState) -> None:
        scene.judge(scene.annotator(), Choice.A, scene.pair())
        ended = begun(scene, state=state)
        snapshot = scene.store.rounds.snapshot(ended.id)
        again = scene.store.rounds.reopen(ended.id)
        assert (again.state, again.reason, again.ended_at) == (RoundState.QUEUED, None, None)
        assert scene.store.rounds.snapshot(ended.id) == snapshot

    def test_one_that_ended_well_does_not(self, scene: Scene) -> None:
        scene.judge(scene.annotator(), Choice.A, scene.pair())
        ended = begun(scene)
        with pytest.raises(ConflictError, match="only one that failed or was cancelled goes on"):
            scene.store.rounds.reopen(ended.id)
        with pytest.raises(NotFoundError):
            scene.store.rounds.reopen(99)

    def test_none_goes_on_beside_another(self, scene: Scene) -> None:
        scene.judge(scene.annotator(), Choice.A, scene.pair())
        ended = begun(scene, state=RoundState.FAILED)
        scene.store.rounds.create(config={}, started_by=None)
        with pytest.raises(ConflictError, match="wait for it to end"):
            scene.store.rounds.reopen(ended.id)


class TestRebuilding:
    def test_a_round_is_taken_again_without_an_annotator(self, scene: Scene) -> None:
        good, bad, pairs = scene.annotator(), scene.annotator(), [scene.pair(target=2) for _ in range(3)]
        scene.judge(good, Choice.A, pairs[0])
        scene.judge(bad, Choice.B, pairs[1])
        for ann in (good, bad):
            scene.judge(ann, Choice.A, pairs[2])
        before = begun(scene)
        scene.judge(good, Choice.A, scene.pair())  # later ones are not taken
        rebuilt = scene.store.rounds.rebuild(before.id, Without(annotators=(bad.id,)), config={}, started_by=good.id)
        found = scene.store.rounds.snapshot(rebuilt.id)
        assert [(one.pair_id, one.judgment_ids) for one in found.train] == [(pairs[0].id, (1,)), (pairs[2].id, (3,))]
        assert found.excluded == {"without": 2}
        assert (rebuilt.rebuilds_id, rebuilt.without) == (before.id, Without(annotators=(bad.id,)))
        assert (rebuilt.cause, rebuilt.newest_judgment) == (f"rebuild of round {before.id}", before.newest_judgment)
        assert rebuilt.sha256 != before.sha256

    def test_a_source_of_prompts_is_left_out(self, scene: Scene) -> None:
        ann, kept = scene.annotator(), scene.pair()
        scene.store.prompts.add([[{"role": "user", "content": f"bought {i}"}] for i in range(20)], source="bought.txt")
        bought = next(
            prompt
            for prompt in scene.store.prompts.sample(Split.TRAIN, 99, 0)
            if prompt.messages[0]["content"].startswith("bought")
        )
        for pair in (kept, scene.store.pairs.add(bought.id, completion("yes"), completion("no"))):
            scene.judge(ann, Choice.A, pair)
        before = begun(scene)
        rebuilt = scene.store.rounds.rebuild(before.id, Without(sources=("bought.txt",)), config={}, started_by=None)
        assert [one.pair_id for one in scene.store.rounds.snapshot(rebuilt.id).train] == [kept.id]
        assert scene.store.rounds.touched(Without(sources=("bought.txt",))) == [before.id]

    def test_rounds_that_used_somebodys_judgments_are_found_but_no_rebuilt_ones(self, scene: Scene) -> None:
        one, two = scene.annotator(), scene.annotator()
        scene.judge(one, Choice.A, scene.pair())
        scene.judge(two, Choice.A, scene.pair())
        first = begun(scene)
        scene.judge(one, Choice.A, scene.pair())
        second = begun(scene)
        begun(scene, state=RoundState.FAILED)
        rebuilt = scene.store.rounds.rebuild(first.id, Without(annotators=(two.id,)), config={}, started_by=None)
        scene.store.rounds.set_state(rebuilt.id, RoundState.WAITING)
        assert scene.store.rounds.touched(Without(annotators=(one.id,))) == [first.id, second.id]
        assert scene.store.rounds.touched(Without(annotators=(two.id,))) == [first.id]
        assert scene.store.rounds.touched(Without()) == []

    def test_a_rebuild_is_found_by_what_it_left_out(self, scene: Scene) -> None:
        one, two = scene.annotator(), scene.annotator()
        for ann in (one, two):
            scene.judge(ann, Choice.A, scene.pair())
        before, without = begun(scene), Without(annotators=(two.id,))
        for state in (RoundState.WAITING, RoundState.FAILED):
            again = scene.store.rounds.rebuild(before.id, without, config={}, started_by=None)
            scene.store.rounds.set_state(again.id, state)
        assert scene.store.rounds.rebuilt(without) == {before.id: again.id - 1}
        assert scene.store.rounds.rebuilt(Without(annotators=(one.id,))) == {}

    def test_a_rebuilt_round_uses_nothing_up(self, scene: Scene) -> None:
        one, two = scene.annotator(), scene.annotator()
        scene.judge(one, Choice.A, scene.pair())
        scene.judge(two, Choice.A, scene.pair())
        before = begun(scene)
        new = scene.pair()
        scene.judge(one, Choice.A, new)
        rebuilt = scene.store.rounds.rebuild(before.id, Without(annotators=(two.id,)), config={}, started_by=None)
        scene.store.rounds.set_state(rebuilt.id, RoundState.WAITING)
        assert taken(scene) == [new.id]


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something once, while a round's judgments are being chosen."""
    acts = iter([act])

    def interrupted(*args: Any, **kwargs: Any) -> Selection:
        found = select(*args, **kwargs)
        next(acts, lambda: None)()
        return found

    monkeypatch.setattr("data.rounds.rounds.select", interrupted)
    monkeypatch.setattr("data.rounds.counterfactual.select", interrupted)


def test_what_is_saved_while_a_round_chooses_waits_for_nothing_and_is_for_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, first, second = scene.annotator(), scene.pair(), scene.pair()
    scene.judge(ann, Choice.A, first)
    expected = scene.store.rounds.outline()
    meanwhile(monkeypatch, lambda: scene.judge(ann, Choice.B, second))  # inside a write it would wait for ever
    created = begun(scene)
    assert (created.sha256, created.newest_judgment) == (expected.sha256, 1)
    assert taken(scene) == [second.id]


def test_a_retraction_while_a_round_chooses_is_for_the_next(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = scene.annotator()
    scene.judge(ann, Choice.A, scene.pair())
    meanwhile(monkeypatch, lambda: scene.undo(ann))
    created = begun(scene)
    assert created.counts["train"] == len(scene.store.rounds.snapshot(created.id).train) == 1
    assert scene.store.rounds.rebuild(created.id, Without(), config={}, started_by=None).sha256 == created.sha256


def test_who_is_quarantined_while_a_round_chooses_is_not_in_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, ben = scene.annotator(), scene.annotator()
    for person in (ann, ben):
        scene.judge(person, Choice.A, scene.pair())
    meanwhile(monkeypatch, lambda: scene.store.quarantines.begin(ann.id, reason="x", made_by=None))
    created = begun(scene)
    assert (created.counts["train"], created.counts["excluded_quarantined"]) == (1, 1)


def test_a_rebuild_chooses_on_a_reader_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, second = scene.annotator(), scene.pair()
    scene.judge(ann, Choice.A, scene.pair())
    created = begun(scene)
    meanwhile(monkeypatch, lambda: scene.judge(ann, Choice.B, second))
    assert scene.store.rounds.rebuild(created.id, Without(), config={}, started_by=None).sha256 == created.sha256
