from concurrent.futures import ThreadPoolExecutor

import pytest

from data.errors import ConflictError, NotFoundError
from data.records import Choice, Round, RoundState, Split
from data.rounds.flip_rate import FEWEST_VOTE_PAIRS
from data.rounds.selection import Selection
from data.rounds.selection_checks import pairs_or_ratings
from tests.data.scene import Scene


def begun(scene: Scene) -> Round:
    return scene.store.rounds.create(config={}, started_by=None)


@pytest.fixture
def judged(scene: Scene) -> Scene:
    """Two pairs to train on, one held out, one bad, one tie, one skip, one even split, one retracted."""
    one, two = scene.annotator(), scene.annotator()
    scene.judge(one, Choice.A, scene.pair(), strength=3)
    majority = scene.pair(target=2)
    scene.judge(one, Choice.B, majority, strength=1)
    scene.judge(two, Choice.B, majority, strength=2)
    scene.judge(one, Choice.B, scene.pair(split=Split.HELDOUT))
    scene.judge(one, Choice.BOTH_BAD, scene.pair())
    scene.judge(one, Choice.TIE, scene.pair())
    scene.judge(one, Choice.SKIP, scene.pair())
    even = scene.pair(target=2)
    scene.judge(one, Choice.A, even)
    scene.judge(two, Choice.B, even)
    scene.judge(one, Choice.A, scene.pair())
    scene.undo(one)
    return scene


def test_a_round_is_given_what_was_decided_by_split(judged: Scene) -> None:
    admin = judged.annotator()
    config: dict[str, object] = {"beta": 0.1, "lora": {"r": 16}}
    created = judged.store.rounds.create(config=config, started_by=admin.id)
    snapshot = judged.store.rounds.snapshot(created.id)
    first, second = snapshot.train
    assert first.chosen.text.startswith("left")
    assert (first.strength, first.judgment_ids) == (3.0, (1,))
    assert second.chosen.text.startswith("right")
    assert (second.strength, second.judgment_ids) == (1.5, (2, 3))
    assert [preference.prompt.split for preference in snapshot.heldout] == [Split.HELDOUT]
    assert snapshot.heldout[0].chosen.text.startswith("right")
    assert snapshot.heldout[0].rejected.text.startswith("left")
    [bad] = snapshot.both_bad
    assert [judgment.choice for judgment in judged.store.judgments.by_pair(bad.id)] == [Choice.BOTH_BAD]
    assert snapshot.excluded == {"skip": 1, "split": 2, "tie": 1}
    assert created.counts == {
        "train": 2,
        "heldout": 1,
        "both_bad": 1,
        "judgments": 5,
        "excluded_skip": 1,
        "excluded_split": 2,
        "excluded_tie": 1,
    }
    assert (created.state, created.config, created.started_by) == (RoundState.QUEUED, config, admin.id)
    assert judged.store.judgments.count() == 5 + sum(snapshot.excluded.values())


def test_a_preview_is_what_a_round_would_be_given(judged: Scene) -> None:
    preview = judged.store.rounds.preview()
    created = judged.store.rounds.create(config={}, started_by=None)
    assert judged.store.rounds.snapshot(created.id) == preview


def test_a_snapshot_is_frozen_whatever_is_said_later(judged: Scene) -> None:
    created = judged.store.rounds.create(config={}, started_by=None)
    snapshot = judged.store.rounds.snapshot(created.id)
    [one, *_] = judged.store.people.all()
    while judged.store.judgments.undo(one.id, duration_ms=1):
        pass
    judged.judge(one, Choice.B, judged.pair())
    assert judged.store.rounds.snapshot(created.id) == snapshot
    assert judged.store.rounds.preview() != snapshot


def test_one_round_at_a_time(judged: Scene) -> None:
    created = begun(judged)
    assert judged.store.rounds.unended() == created
    with pytest.raises(ConflictError, match=f"round {created.id} is queued; wait"):
        begun(judged)
    judged.store.rounds.set_state(created.id, RoundState.FAILED, reason="out of memory")
    assert judged.store.rounds.unended() is None
    assert begun(judged).id == created.id + 1


def test_of_many_who_start_a_round_one_does(judged: Scene) -> None:
    def attempt(_: int) -> bool:
        try:
            begun(judged)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1
    assert len(judged.store.rounds.all()) == 1


def test_a_round_without_anything_to_train_on_is_refused(scene: Scene) -> None:
    with pytest.raises(ConflictError, match="judge some pairs first"):
        begun(scene)
    scene.judge(scene.annotator(), Choice.A, scene.pair(split=Split.HELDOUT))
    with pytest.raises(ConflictError, match=r"1 decided .* held-out .* judge some pairs first"):
        begun(scene)
    assert scene.store.rounds.all() == []


def test_bad_pairs_alone_are_admitted_only_by_a_training_on_ratings(scene: Scene) -> None:
    scene.judge(scene.annotator(), Choice.BOTH_BAD, scene.pair(split=Split.HELDOUT))
    with pytest.raises(ConflictError, match="with two bad answers to train on yet; judge some pairs first"):
        scene.store.rounds.create(config={}, started_by=None, admit=pairs_or_ratings)
    scene.judge(scene.annotator(), Choice.BOTH_BAD, scene.pair())
    with pytest.raises(ConflictError, match="no pair with a winner to train on yet; judge some pairs first"):
        begun(scene)
    created = scene.store.rounds.create(config={}, started_by=None, admit=pairs_or_ratings)
    snapshot = scene.store.rounds.snapshot(created.id)
    assert len(snapshot.both_bad) == created.counts["both_bad"] == 1
    assert snapshot.train == ()


def test_what_is_not_admitted_is_not_frozen(judged: Scene) -> None:
    def refuse(selection: Selection, rate: float | None) -> None:
        assert len(selection.both_bad) == 1
        raise ConflictError(f"a rate of {rate} will not do")

    with pytest.raises(ConflictError, match="a rate of None will not do"):
        judged.store.rounds.create(config={}, started_by=None, admit=refuse)
    assert judged.store.rounds.all() == []


def test_the_flip_rate_is_frozen_with_the_round(scene: Scene) -> None:
    """Of both splits, and of pairs that an even split leaves out: what is measured is people, not pairs."""
    one, two = scene.annotator(), scene.annotator()
    for number in range(FEWEST_VOTE_PAIRS):
        pair = scene.pair(target=2, split=Split.TRAIN if number % 2 else Split.HELDOUT)
        scene.judge(one, Choice.A, pair)
        scene.judge(two, Choice.B if number < 3 else Choice.A, pair)
    created = scene.store.rounds.create(config={}, started_by=None)
    snapshot = scene.store.rounds.snapshot(created.id)
    expected = (1 - (2 * 0.9 - 1) ** 0.5) / 2
    assert created.flip_rate == snapshot.flip_rate == pytest.approx(expected)
    scene.undo(one)
    assert scene.store.rounds.preview().flip_rate is None
    assert scene.store.rounds.snapshot(created.id) == snapshot


def test_a_round_moves_on_until_it_ends(judged: Scene) -> None:
    created, rounds = begun(judged), judged.store.rounds
    assert rounds.set_state(created.id, RoundState.TRAINING).ended_at is None
    judged.clock.now += 5
    ended = rounds.set_state(created.id, RoundState.PROMOTED, reason="better by 12 of 20")
    assert (ended.state, ended.ended_at, ended.reason) == (
        RoundState.PROMOTED,
        judged.clock.now,
        "better by 12 of 20",
    )
    assert rounds.by_id(created.id) == ended


@pytest.mark.parametrize("end", [RoundState.PROMOTED, RoundState.FAILED, RoundState.CANCELLED])
def test_an_ended_round_stays_as_it_is(judged: Scene, end: RoundState) -> None:
    created, rounds = begun(judged), judged.store.rounds
    ended = rounds.set_state(created.id, end)
    for state in RoundState:
        with pytest.raises(ConflictError, match=rf"has ended \({end.value}\)"):
            rounds.set_state(created.id, state)
    assert rounds.by_id(created.id) == ended


def test_rounds_are_listed_newest_first(judged: Scene) -> None:
    for _ in range(3):
        judged.store.rounds.set_state(begun(judged).id, RoundState.CANCELLED)
    assert [entry.id for entry in judged.store.rounds.all()] == [3, 2, 1]


def test_an_unknown_round_is_not_found(scene: Scene) -> None:
    for look in (
        scene.store.rounds.by_id,
        scene.store.rounds.snapshot,
        lambda number: scene.store.rounds.set_state(number, RoundState.FAILED),
    ):
        with pytest.raises(NotFoundError, match="no round 9"):
            look(9)


def test_a_version_names_its_round(judged: Scene) -> None:
    created = begun(judged)
    version = judged.store.versions.add("v1", round_id=created.id, parent="base", sha256="0" * 64)
    assert version.round_id == created.id
