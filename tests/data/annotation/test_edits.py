import pytest

from data.errors import InputError
from data.records import Choice, Judgment, Lease, Verdict
from tests.data.scene import MINUTE, Scene, raw


def edit(scene: Scene, lease: Lease, text: str, choice: Choice = Choice.A) -> Judgment:
    """Judge what is leased, choice in the pair's own sides, with an edit of the better answer."""
    shown = choice.mirrored if lease.swapped else choice
    verdict = Verdict(shown, 3, edit=text)
    return scene.store.judgments.record(
        lease.annotator_id, lease.token, verdict, idempotency_key=f"edit {next(scene.numbers)}"
    )


@pytest.mark.parametrize("choice", [Choice.A, Choice.B])
def test_an_edit_becomes_a_completion_of_its_own_that_beats_the_original(scene: Scene, choice: Choice) -> None:
    annotator = scene.annotator()
    lease = scene.lease(annotator, scene.pair())
    original = lease.pair.a if choice is Choice.A else lease.pair.b
    judgment = edit(scene, lease, "as it should be", choice)
    assert judgment.edit == "as it should be"
    snapshot = scene.store.rounds.preview()
    first, second = snapshot.train
    assert (first.chosen, first.pair_id) == (original, lease.pair.id)
    assert (second.chosen.text, second.rejected) == ("as it should be", original)
    assert (second.chosen.author_id, second.chosen.edits_id) == (annotator.id, original.id)
    assert (second.chosen.version, second.chosen.token_ids) == (None, None)
    assert scene.store.check() == []


def test_an_edit_counts_with_the_judgment_that_brought_it(scene: Scene) -> None:
    annotator = scene.annotator()
    edit(scene, scene.lease(annotator, scene.pair()), "better")
    assert scene.store.judgments.progress(annotator.id) == 1
    assert len(scene.store.judgments.standing(annotator.id, before=None, limit=9)) == 1


def test_nobody_else_is_asked_about_an_edit(scene: Scene) -> None:
    edit(scene, scene.lease(scene.annotator(), scene.pair()), "better")
    other = scene.annotator()
    assert scene.store.pairs.lease(other.id, duration_ms=MINUTE) is None


def test_an_undo_takes_the_edit_back_and_gives_its_words(scene: Scene) -> None:
    annotator = scene.annotator()
    edit(scene, scene.lease(annotator, scene.pair()), "better")
    _, undone = scene.undo(annotator)
    assert undone.edit == "better"
    assert scene.store.rounds.preview().train == ()
    assert scene.store.check() == []


def test_a_judgment_after_an_undo_can_bring_an_edit_again(scene: Scene) -> None:
    annotator = scene.annotator()
    edit(scene, scene.lease(annotator, scene.pair()), "better")
    lease, _ = scene.undo(annotator)
    edit(scene, lease, "better still")
    assert [preference.chosen.text for preference in scene.store.rounds.preview().train][1:] == ["better still"]


def test_a_change_replaces_the_edit(scene: Scene) -> None:
    annotator = scene.annotator()
    judgment = edit(scene, scene.lease(annotator, scene.pair()), "better")
    lease, _ = scene.store.judgments.change(annotator.id, judgment.id, duration_ms=MINUTE)
    scene.answer(lease, Choice.B)
    [preference] = scene.store.rounds.preview().train
    assert preference.chosen == lease.pair.b


@pytest.mark.parametrize("text", ["", " \n", "left 1  "])
def test_an_edit_that_says_nothing_new_is_refused_and_nothing_is_kept(scene: Scene, text: str) -> None:
    lease = scene.lease(scene.annotator(), scene.pair())
    same = text.replace("left 1", lease.pair.a.text)
    with pytest.raises(InputError, match="leave the edit out"):
        edit(scene, lease, same)
    assert scene.store.judgments.count() == 0


def test_only_a_better_answer_can_be_edited(scene: Scene) -> None:
    lease = scene.lease(scene.annotator(), scene.pair())
    with pytest.raises(InputError, match="Only a better answer"):
        scene.store.judgments.record(
            lease.annotator_id, lease.token, Verdict(Choice.TIE, edit="x"), idempotency_key="edit of a tie"
        )


def test_damage_to_a_written_answer_is_found(scene: Scene) -> None:
    edit(scene, scene.lease(scene.annotator(), scene.pair()), "better")
    with raw(scene.path) as connection:
        connection.execute("update completion set text = 'worse' where author_id is not null")
    assert any("is not as it was written" in problem for problem in scene.store.check())
