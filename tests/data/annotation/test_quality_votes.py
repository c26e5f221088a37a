import pytest

from data.annotation.quality_votes import GoldTally
from data.quality.vote import QualityVote
from data.records import Annotator, Choice, Purpose, Verdict
from tests.data.scene import MINUTE, Scene


@pytest.fixture
def ann(scene: Scene) -> Annotator:
    return scene.annotator()


def test_a_ballot_says_what_was_compared_and_what_was_said(scene: Scene, ann: Annotator) -> None:
    pair = scene.pair()
    lease = scene.lease(ann, pair)
    verdict = Verdict(Choice.A, 2, elapsed_ms=1500)
    judgment = scene.store.judgments.record(ann.id, lease.token, verdict, idempotency_key="k")
    assert scene.store.quality_votes.all() == [
        QualityVote(
            judgment_id=judgment.id,
            annotator_id=ann.id,
            item_id=pair.id,
            purpose=Purpose.TRAIN,
            choice=judgment.choice,
            strength=2,
            swapped=lease.swapped,
            length_a=len(pair.a.text),
            length_b=len(pair.b.text),
            elapsed_ms=1500,
            created_at=scene.clock.now,
        )
    ]
    assert scene.store.quality_votes.all()[0].left


def test_only_what_stands_is_a_ballot(scene: Scene, ann: Annotator) -> None:
    scene.judge(ann, Choice.A, scene.pair())
    scene.undo(ann)
    assert scene.store.quality_votes.all() == []
    stands = scene.judge(ann, Choice.B)
    assert [ballot.judgment_id for ballot in scene.store.quality_votes.all()] == [stands.id]


def test_what_an_edit_brought_along_is_no_ballot(scene: Scene, ann: Annotator) -> None:
    lease = scene.lease(ann, scene.pair())
    verdict = Verdict(Choice.A, edit="better still")
    judgment = scene.store.judgments.record(ann.id, lease.token, verdict, idempotency_key="k")
    assert [ballot.judgment_id for ballot in scene.store.quality_votes.all()] == [judgment.id]


def test_a_re_ask_has_the_item_of_the_pair_it_asks_again(scene: Scene, ann: Annotator) -> None:
    pair = scene.pair()
    scene.judge(ann, Choice.A, pair)
    again = scene.pair()
    scene.store._database.write(
        lambda db: db.execute("update pair set purpose = 'reask', repeats_id = ? where id = ?", [pair.id, again.id])
    )
    scene.judge(ann, Choice.B, again)
    assert [(one.item_id, one.purpose) for one in scene.store.quality_votes.all()] == [
        (pair.id, Purpose.TRAIN),
        (pair.id, Purpose.REASK),
    ]


@pytest.mark.parametrize("again", [Choice.A, None])
def test_of_a_known_pair_the_first_word_stands_whatever_comes_later(
    scene: Scene, ann: Annotator, again: Choice | None
) -> None:
    known = scene.store.gold.make(scene.pair().id, Choice.A, explanation="", made_by=None)
    first = scene.judge(ann, Choice.B, known.pair)
    lease, _ = scene.undo(ann)
    if again is not None:
        scene.answer(lease, again)
    [ballot] = scene.store.quality_votes.all()
    assert (ballot.judgment_id, ballot.choice, ballot.gold) == (first.id, Choice.B, Choice.A)
    assert scene.store.quality_votes.tallies() == {known.pair.id: GoldTally(0, 1)}


def test_a_skip_of_a_known_pair_is_neither_right_nor_wrong(scene: Scene) -> None:
    known = scene.store.gold.make(scene.pair().id, Choice.A, explanation="", made_by=None)
    for choice in (Choice.A, Choice.B, Choice.A, Choice.SKIP):
        scene.judge(scene.annotator(), choice, known.pair)
    assert scene.store.quality_votes.tallies() == {known.pair.id: GoldTally(2, 3)}


def test_ballots_can_be_taken_from_a_time_on(scene: Scene, ann: Annotator) -> None:
    scene.judge(ann, Choice.A, scene.pair())
    scene.clock.now += MINUTE
    later = scene.judge(ann, Choice.A, scene.pair())
    assert [one.judgment_id for one in scene.store.quality_votes.cast_here(since=scene.clock.now)] == [later.id]
