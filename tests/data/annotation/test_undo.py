import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import ConflictError
from data.records import Choice
from tests.data.scene import MINUTE, Scene


def test_an_undo_shows_the_pair_again_with_the_same_sides(scene: Scene) -> None:
    ann = scene.annotator()
    for _ in range(8):
        pair = scene.pair()
        judged = scene.judge(ann, Choice.B, pair, strength=3)
        lease, undone = scene.undo(ann)
        assert undone == judged
        assert (lease.pair, lease.swapped) == (pair, judged.swapped)
        assert scene.lease(ann) == lease


def test_judging_again_supersedes_the_retraction(scene: Scene) -> None:
    ann = scene.annotator()
    first = scene.judge(ann, Choice.A, scene.pair())
    lease, _ = scene.undo(ann)
    again = scene.answer(lease, Choice.TIE)
    retraction = scene.store.judgments.history(ann.id, 2)[1]
    assert (retraction.choice, retraction.supersedes_id) == (Choice.RETRACTED, first.id)
    assert again.supersedes_id == retraction.id
    assert scene.store.judgments.by_pair(lease.pair.id) == [again]


def test_undo_after_undo_goes_further_back(scene: Scene) -> None:
    ann = scene.annotator()
    judged = [scene.judge(ann, Choice.A, scene.pair()) for _ in range(3)]
    assert [scene.undo(ann)[1] for _ in judged] == judged[::-1]
    assert scene.store.judgments.undo(ann.id, duration_ms=MINUTE) is None
    assert scene.store.judgments.count() == 0


def test_an_undo_gives_back_the_pair_on_the_screen(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    judged, shown = scene.pair(), scene.pair()
    scene.judge(ann, Choice.A, judged)
    scene.lease(ann, shown)
    lease, _ = scene.undo(ann)
    assert lease.pair == judged
    assert scene.lease(ann) == lease
    assert scene.lease(other).pair == shown


def test_nothing_to_undo_is_none_and_releases_nothing(scene: Scene) -> None:
    ann = scene.annotator()
    lease = scene.lease(ann, scene.pair())
    assert scene.store.judgments.undo(ann.id, duration_ms=MINUTE) is None
    assert scene.lease(ann) == lease


def test_an_undo_is_of_ones_own(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    scene.judge(ann, Choice.A, scene.pair())
    assert scene.store.judgments.undo(other.id, duration_ms=MINUTE) is None


def test_the_retried_click_before_an_undo_is_not_a_new_judgment(scene: Scene) -> None:
    ann = scene.annotator()
    lease = scene.lease(ann, scene.pair())
    first = scene.answer(lease, Choice.A)
    scene.undo(ann)
    with pytest.raises(ConflictError, match="already judged this pair"):
        scene.answer(lease, Choice.A)
    assert scene.store.judgments.history(ann.id, 9)[-1] == first
    assert scene.store.judgments.count() == 0


def test_an_undone_pair_that_another_took_meanwhile_stays_with_him(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    scene.judge(ann, Choice.A, scene.pair())
    lease, _ = scene.undo(ann)
    scene.clock.now += 10 * MINUTE
    theirs = scene.judge(other, Choice.B)
    with pytest.raises(ConflictError, match="went to others"):
        scene.answer(lease, Choice.A)
    assert scene.store.judgments.by_pair(lease.pair.id) == [theirs]


def test_a_skip_can_be_undone(scene: Scene) -> None:
    ann = scene.annotator()
    skipped = scene.judge(ann, Choice.SKIP, scene.pair())
    lease, undone = scene.undo(ann)
    assert undone == skipped
    assert scene.answer(lease, Choice.A).choice is Choice.A


def test_a_skip_that_another_took_over_is_passed_by(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    kept = scene.judge(ann, Choice.A, scene.pair())
    scene.judge(ann, Choice.SKIP, scene.pair())
    scene.judge(other, Choice.B)
    assert scene.undo(ann)[1] == kept


moves = st.lists(st.sampled_from([*"abts", "undo", "release", "wait"]), max_size=25)
WORDS = {"a": Choice.A, "b": Choice.B, "t": Choice.TIE, "s": Choice.SKIP}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.tuples(st.booleans(), moves), max_size=4))
def test_however_two_people_go_about_it_the_store_agrees_with_a_plain_list(
    scene: Scene, moves: list[tuple[bool, list[str]]]
) -> None:
    people = (scene.annotator(), scene.annotator())
    said: dict[int, list[tuple[int, Choice]]] = {person.id: [] for person in people}
    for _ in range(5):
        scene.pair()
    for who, steps in moves:
        person, mine = people[who], said[people[who].id]
        for step in steps:
            if step == "wait":
                scene.clock.now += 11 * MINUTE
            elif step == "undo":
                undone = scene.store.judgments.undo(person.id, duration_ms=MINUTE)
                if undone is not None:
                    mine.remove((undone[1].pair_id, undone[1].choice))
            elif (lease := scene.store.pairs.lease(person.id, duration_ms=MINUTE)) is not None:
                if step == "release":
                    scene.store.pairs.release(lease.token, person.id)
                else:
                    kept = scene.answer(lease, WORDS[step])
                    mine.append((kept.pair_id, kept.choice))
    for person in people:
        assert scene.store.judgments.progress(person.id) == len(said[person.id])
        assert len({pair_id for pair_id, _ in said[person.id]}) == len(said[person.id])
    filling = [pair_id for rows in said.values() for pair_id, choice in rows if choice is not Choice.SKIP]
    assert len(filling) == len(set(filling))
    assert scene.store.check() == []
