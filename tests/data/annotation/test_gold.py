import pytest

from data.errors import ConflictError, InputError, NotFoundError
from data.records import Choice, Purpose
from tests.data.scene import Scene


def test_a_known_pair_is_a_copy_that_never_trains(scene: Scene) -> None:
    pair = scene.pair()
    known = scene.store.gold.make(pair.id, Choice.B, explanation="B is true", made_by=None)
    assert (known.pair.a, known.pair.b, known.repeats_id) == (pair.a, pair.b, pair.id)
    assert known.pair.purpose is Purpose.GOLD
    assert scene.store.gold.expected(known.pair.id) == known.expected
    assert scene.store.gold.expected(pair.id) is None
    scene.judge(scene.annotator(), Choice.B, known.pair)
    assert scene.store.rounds.preview().train == ()
    assert scene.store.rounds.preview().excluded == {"gold": 1}


def test_a_known_pair_can_be_written(scene: Scene) -> None:
    admin = scene.annotator()
    known = scene.store.gold.write("2 + 2?", "4", "5", explanation="count", made_by=admin.id)
    assert (known.pair.a.text, known.pair.b.text, known.expected.choice) == ("4", "5", Choice.A)
    assert (known.pair.a.author_id, known.pair.a.edits_id) == (admin.id, None)
    assert scene.store.check() == []


@pytest.mark.parametrize(("good", "bad"), [("4", " 4 "), ("", "5"), ("4", " ")])
def test_a_written_pair_needs_two_answers(scene: Scene, good: str, bad: str) -> None:
    with pytest.raises(InputError):
        scene.store.gold.write("2 + 2?", good, bad, explanation="", made_by=scene.annotator().id)
    assert scene.store.gold.all() == []


def test_one_known_pair_is_made_of_a_pair_and_none_of_a_known_one(scene: Scene) -> None:
    pair = scene.pair()
    known = scene.store.gold.make(pair.id, Choice.A, explanation="", made_by=None)
    for pair_id in (pair.id, known.pair.id):
        with pytest.raises(ConflictError):
            scene.store.gold.make(pair_id, Choice.A, explanation="", made_by=None)
    with pytest.raises(NotFoundError):
        scene.store.gold.make(99, Choice.A, explanation="", made_by=None)
    with pytest.raises(InputError, match="cannot be the expected choice"):
        scene.store.gold.make(scene.pair().id, Choice.SKIP, explanation="", made_by=None)


def test_what_three_people_say_alike_can_become_known(scene: Scene) -> None:
    people = [scene.annotator() for _ in range(3)]
    agreed, split, few = scene.pair(target=3), scene.pair(target=3), scene.pair(target=3)
    for person, choice in zip(people, (Choice.B, Choice.B, Choice.A), strict=True):
        scene.judge(person, Choice.B, agreed)
        scene.judge(person, choice, split)
    for person in people[:2]:
        scene.judge(person, Choice.A, few)
    [candidate] = scene.store.gold.candidates()
    assert (candidate.pair, candidate.choice, candidate.votes) == (agreed, Choice.B, 3)
    scene.store.gold.make(agreed.id, Choice.B, explanation="", made_by=None)
    assert scene.store.gold.candidates() == []


def test_a_retired_one_is_listed_as_such(scene: Scene) -> None:
    known = scene.store.gold.make(scene.pair().id, Choice.A, explanation="", made_by=None)
    for _ in range(2):
        scene.store.gold.retire(known.pair.id)
    [listed] = scene.store.gold.all()
    assert listed.retired
    with pytest.raises(NotFoundError):
        scene.store.gold.retire(99)
