"""Back from an answer to people, and forward from people to what served."""

import pytest

from data.errors import NotFoundError
from data.records import Choice, Round, RoundState, ServingAction, Split
from data.versions.standing import Serving
from tests.data.scene import Scene


def made(scene: Scene, name: str, parent: str = "base") -> Round:
    """A round on all judgments so far, with its version."""
    created = scene.store.rounds.create(config={}, started_by=None)
    scene.store.rounds.set_state(created.id, RoundState.PROMOTED)
    scene.store.versions.add(name, round_id=created.id, parent=parent, sha256="0" * 64)
    return scene.store.rounds.by_id(created.id)


def serve(scene: Scene, name: str) -> int:
    scene.clock.now += 1000
    scene.store.versions.record_serving(name, ServingAction.PROMOTE, actor_id=None, reason="good")
    return scene.clock.now


def test_an_answer_leads_back_to_its_version_and_its_prompt(scene: Scene) -> None:
    scene.add_version("v1")
    pair = scene.pair(version="v1")
    found = scene.store.lineage.answer(pair.a.id)
    assert (found.text, found.version, found.author, found.edits) == (pair.a.text, "v1", None, None)
    assert pair.prompt.messages[0]["content"] in found.messages
    with pytest.raises(NotFoundError, match="There is no answer 999"):
        scene.store.lineage.answer(999)


def test_an_answer_is_found_by_its_words_as_they_are(scene: Scene) -> None:
    pair = scene.pair()
    assert [found.id for found in scene.store.lineage.find(pair.b.text)] == [pair.b.id]
    assert scene.store.lineage.find("%") == []


def test_a_version_leads_back_to_the_people_behind_it_and_behind_those_it_began_from(scene: Scene) -> None:
    one, two = scene.annotator(), scene.annotator()
    for _ in range(2):
        scene.judge(one, Choice.A, scene.pair())
    first = made(scene, "v1")
    scene.clock.now += 50
    scene.judge(two, Choice.B, scene.pair(split=Split.HELDOUT))
    second = made(scene, "v2", parent="v1")
    origins = scene.store.lineage.origins("v2")
    assert [(one_.version, one_.round, one_.judgments) for one_ in origins] == [
        ("v2", second.id, 3),
        ("v1", first.id, 2),
        ("base", None, 0),
    ]
    assert [(person.pseudonym, person.judgments) for person in origins[0].people] == [
        (one.pseudonym, 2),
        (two.pseudonym, 1),
    ]
    assert origins[0].people[1].first_at == origins[0].people[1].last_at == scene.clock.now
    assert origins[1].sha256 == first.sha256
    with pytest.raises(NotFoundError, match="There is no version v9"):
        scene.store.lineage.origins("v9")


def test_a_rounds_judgments_are_read_a_page_at_a_time(scene: Scene) -> None:
    ann, pairs = scene.annotator(), [scene.pair(), scene.pair(split=Split.HELDOUT), scene.pair()]
    for pair in pairs:
        scene.judge(ann, Choice.B, pair)
    entry = made(scene, "v1")
    first, second = scene.store.lineage.used(entry.id, limit=2)
    [third] = scene.store.lineage.used(entry.id, after=second.judgment_id, limit=2)
    assert [used.pair_id for used in (first, second, third)] == [pair.id for pair in pairs]
    assert (first.choice, first.pseudonym, first.completions) == (
        Choice.B,
        ann.pseudonym,
        (pairs[0].a.id, pairs[0].b.id),
    )
    assert [used.split for used in (first, second)] == [Split.TRAIN, Split.HELDOUT]
    with pytest.raises(NotFoundError, match="There is no round 99"):
        scene.store.lineage.used(99)


def test_a_person_leads_forward_to_what_served(scene: Scene) -> None:
    one, two, idle = scene.annotator(), scene.annotator(), scene.annotator()
    scene.judge(one, Choice.A, scene.pair())
    first = made(scene, "v1")
    scene.judge(two, Choice.A, scene.pair())
    second = made(scene, "v2")
    made(scene, "v3", parent="v1")
    began = [serve(scene, name) for name in ("base", "v1", "v2", "v1")]
    touches = scene.store.lineage.touched(one.pseudonym)
    assert [(touch.round, touch.judgments, touch.of) for touch in touches[:2]] == [
        (first.id, 1, 1),
        (second.id, 1, 2),
    ]
    assert touches[0].versions == ("v1", "v3")
    assert touches[0].servings == (Serving("v1", began[1], began[2], "good"), Serving("v1", began[3], None, "good"))
    assert next(touch.round for touch in scene.store.lineage.touched(two.pseudonym)) == second.id
    assert scene.store.lineage.touched(idle.pseudonym) == []
    with pytest.raises(NotFoundError, match="There is no annotator nobody"):
        scene.store.lineage.touched("nobody")
