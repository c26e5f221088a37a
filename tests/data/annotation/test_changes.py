import pytest

from data.errors import ConflictError, NotFoundError
from data.records import Choice, Flag, Remarks, Verdict
from tests.data.scene import MINUTE, Scene

REMARKS = Remarks(("Correct",), ("Safer", "Right length"), "because", Flag.UNSAFE)


def test_remarks_are_kept_in_the_pairs_own_sides_and_come_back_as_shown(scene: Scene) -> None:
    annotator = scene.annotator()
    for _ in range(8):
        lease = scene.lease(annotator, scene.pair())
        key = f"key {next(scene.numbers)}"
        judgment = scene.store.judgments.record(
            annotator.id, lease.token, Verdict(Choice.A, 2, 900, REMARKS), idempotency_key=key
        )
        assert judgment.remarks == (REMARKS.mirrored if lease.swapped else REMARKS)
        assert judgment.shown is Choice.A


def test_a_retry_with_other_remarks_is_another_judgment(scene: Scene) -> None:
    annotator = scene.annotator()
    lease = scene.lease(annotator, scene.pair())
    scene.store.judgments.record(annotator.id, lease.token, Verdict(Choice.A), idempotency_key="the one key")
    with pytest.raises(ConflictError, match="take a new one"):
        scene.store.judgments.record(
            annotator.id, lease.token, Verdict(Choice.A, remarks=REMARKS), idempotency_key="the one key"
        )


def test_a_judgment_keeps_the_guideline_that_was_in_force_when_its_pair_was_lent(scene: Scene) -> None:
    first = scene.store.guidelines.publish("Be kind.")
    lease = scene.lease(scene.annotator(), scene.pair())
    scene.store.guidelines.publish("Be kinder.")
    assert scene.answer(lease, Choice.A).guideline_id == first.id


def test_a_change_supersedes_what_had_been_said(scene: Scene) -> None:
    annotator = scene.annotator()
    pair = scene.pair()
    judgment = scene.judge(annotator, Choice.A, pair)
    lease, said = scene.store.judgments.change(annotator.id, judgment.id, duration_ms=MINUTE)
    assert (lease.pair, lease.swapped, said) == (pair, judgment.swapped, judgment)
    changed = scene.answer(lease, Choice.B)
    assert changed.supersedes_id == judgment.id
    assert scene.store.judgments.by_pair(pair.id) == [changed]
    assert scene.store.check() == []


def test_until_something_else_is_said_the_earlier_judgment_stands(scene: Scene) -> None:
    annotator = scene.annotator()
    judgment = scene.judge(annotator, Choice.A, scene.pair())
    scene.store.judgments.change(annotator.id, judgment.id, duration_ms=MINUTE)
    scene.lease(annotator, scene.pair())
    assert scene.store.judgments.by_pair(judgment.pair_id) == [judgment]


def test_a_change_can_itself_be_changed_and_undone(scene: Scene) -> None:
    annotator = scene.annotator()
    judgment = scene.judge(annotator, Choice.A, scene.pair())
    for choice in (Choice.B, Choice.TIE):
        lease, _ = scene.store.judgments.change(annotator.id, judgment.id, duration_ms=MINUTE)
        judgment = scene.answer(lease, choice)
    _, undone = scene.undo(annotator)
    assert undone == judgment
    assert scene.store.judgments.count() == 0
    assert scene.store.check() == []


def test_only_ones_own_standing_judgments_can_be_changed(scene: Scene) -> None:
    annotator, other = scene.annotator(), scene.annotator()
    judgment = scene.judge(annotator, Choice.A, scene.pair())
    with pytest.raises(NotFoundError, match="of yours"):
        scene.store.judgments.change(other.id, judgment.id, duration_ms=MINUTE)
    scene.undo(annotator)
    with pytest.raises(ConflictError, match="undone since"):
        scene.store.judgments.change(annotator.id, judgment.id, duration_ms=MINUTE)


def test_two_changes_lent_before_one_another_do_not_both_count(scene: Scene) -> None:
    annotator = scene.annotator()
    judgment = scene.judge(annotator, Choice.A, scene.pair())
    earlier, _ = scene.store.judgments.change(annotator.id, judgment.id, duration_ms=MINUTE)
    later, _ = scene.store.judgments.change(annotator.id, judgment.id, duration_ms=MINUTE)
    scene.answer(later, Choice.B)
    with pytest.raises(ConflictError, match="already judged this pair"):
        scene.answer(earlier, Choice.TIE)


def test_a_skip_that_others_have_judged_cannot_become_a_choice(scene: Scene) -> None:
    annotator, other = scene.annotator(), scene.annotator()
    pair = scene.pair()
    skip = scene.judge(annotator, Choice.SKIP, pair)
    scene.judge(other, Choice.A, pair)
    with pytest.raises(ConflictError, match="others have judged"):
        scene.store.judgments.change(annotator.id, skip.id, duration_ms=MINUTE)


def test_ones_judgments_come_newest_first_a_page_at_a_time(scene: Scene) -> None:
    annotator = scene.annotator()
    made = [scene.judge(annotator, Choice.A, scene.pair()) for _ in range(5)]
    scene.undo(annotator)
    page = scene.store.judgments.standing(annotator.id, before=None, limit=3)
    assert page == made[3:0:-1]
    assert scene.store.judgments.standing(annotator.id, before=page[-1].id, limit=3) == made[:1]
