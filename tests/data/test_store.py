import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from data.errors import ConflictError
from data.records import Annotator, Choice, Judgment, Lease, Verdict
from data.store import PreferenceStore
from tests.data.scene import MINUTE, Scene, raw

PAIRS, ANNOTATORS, CLICKS = 30, 8, 3


def click_at_once(store: PreferenceStore, lease: Lease) -> list[Judgment]:
    """What three clicks on one choice answer, sent in the same moment."""
    key, together = uuid.uuid4().hex, threading.Barrier(CLICKS)

    def click(_: int) -> Judgment:
        together.wait(10)
        verdict = Verdict(Choice.A, 1)
        return store.judgments.record(lease.annotator_id, lease.token, verdict, idempotency_key=key)

    with ThreadPoolExecutor(CLICKS) as hand:
        return list(hand.map(click, range(CLICKS)))


def annotate_all(store: PreferenceStore, annotator: Annotator) -> list[list[Judgment]]:
    """Judge until nothing is left; the answers to the clicks on each pair."""
    answers = []
    while (lease := store.pairs.lease(annotator.id, duration_ms=MINUTE)) is not None:
        answers.append(click_at_once(store, lease))
    return answers


def test_eight_people_who_click_three_times_give_exactly_the_judgments_asked_for(scene: Scene) -> None:
    for _ in range(PAIRS):
        scene.pair(target=2)
    people = [scene.annotator() for _ in range(ANNOTATORS)]
    with ThreadPoolExecutor(ANNOTATORS) as crowd:
        done = list(crowd.map(lambda person: annotate_all(scene.store, person), people))
    clicks = [answers for each in done for answers in each]
    assert all(answers == [answers[0]] * CLICKS for answers in clicks)
    assert len({answers[0].id for answers in clicks}) == len(clicks) == 2 * PAIRS
    kept = [judgment for person in people for judgment in scene.store.judgments.history(person.id, 1000)]
    assert Counter(Counter(judgment.pair_id for judgment in kept).values()) == {2: PAIRS}
    assert len({(judgment.pair_id, judgment.annotator_id) for judgment in kept}) == 2 * PAIRS
    assert scene.store.judgments.count() == 2 * PAIRS
    assert scene.store.check() == []


def test_what_was_said_is_there_after_opening_again(scene: Scene) -> None:
    judgment = scene.judge(scene.annotator(), Choice.A, scene.pair())
    scene.store.close()
    with PreferenceStore.open(scene.path) as store:
        assert store.judgments.by_pair(judgment.pair_id) == [judgment]


def test_the_share_held_out_can_be_chosen(tmp_path: Path) -> None:
    with PreferenceStore.open(tmp_path / "p.db", heldout_share=1.0) as store:
        store.prompts.add([[{"role": "user", "content": str(i)}] for i in range(20)], source="test")
        assert all(prompt.split == "heldout" for prompt in store.prompts.sample(None, 20, 0))


def test_a_backup_taken_while_people_judge_is_sound(scene: Scene, tmp_path: Path) -> None:
    for _ in range(PAIRS):
        scene.pair()
    ann = scene.annotator()
    with ThreadPoolExecutor(1) as pool:
        judging = pool.submit(annotate_all, scene.store, ann)
        for number in range(3):
            scene.store.backup(tmp_path / f"backup{number}.db")
        judging.result(60)
    for number in range(3):
        with PreferenceStore.open(tmp_path / f"backup{number}.db") as copy:
            assert copy.check() == []
            assert copy.people.all() == [ann]


def test_deleted_sessions_leave_no_trace_in_the_file(scene: Scene) -> None:
    ann = scene.annotator()
    scene.store.sessions.open(ann.id, "digest-to-forget", scene.clock.now + MINUTE)
    scene.store.sessions.close("digest-to-forget")
    scene.store.close()
    assert b"digest-to-forget" not in scene.path.read_bytes()


def test_a_refused_write_leaves_nothing_behind(scene: Scene) -> None:
    ann = scene.annotator()
    lease = scene.lease(ann, scene.pair())
    scene.answer(lease, Choice.A)
    with raw(scene.path) as connection:
        before = list(connection.iterdump())
        with pytest.raises(ConflictError):
            scene.answer(lease, Choice.B)
        assert list(connection.iterdump()) == before
