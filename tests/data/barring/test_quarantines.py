import pytest

from data.errors import ConflictError, InputError, NotFoundError
from data.records import Choice, Flag, Remarks, Verdict
from tests.data.scene import Scene


def test_judgments_of_an_annotator_in_quarantine_stay_out_of_rounds(scene: Scene) -> None:
    careful, other = scene.annotator(), scene.annotator()
    kept = scene.judge(careful, Choice.A, scene.pair())
    scene.judge(other, Choice.B, scene.pair())
    scene.store.quarantines.begin(other.id, reason="always left", made_by=careful.id)
    snapshot = scene.store.rounds.preview()
    assert [preference.judgment_ids for preference in snapshot.train] == [(kept.id,)]
    assert snapshot.excluded == {"quarantined": 1}


def test_a_quarantine_changes_the_majority(scene: Scene) -> None:
    people = [scene.annotator() for _ in range(3)]
    pair = scene.pair(target=3)
    for person, choice in zip(people, (Choice.A, Choice.B, Choice.B), strict=True):
        scene.judge(person, choice, pair)
    for person in people[1:]:
        scene.store.quarantines.begin(person.id, reason="x", made_by=None)
    [preference] = scene.store.rounds.preview().train
    assert preference.chosen == pair.a


def test_nothing_is_deleted_and_lifting_lets_all_count_again(scene: Scene) -> None:
    person = scene.annotator()
    scene.judge(person, Choice.A, scene.pair())
    before = scene.store.rounds.preview()
    scene.store.quarantines.begin(person.id, reason="x", made_by=None)
    assert scene.store.judgments.count() == 1
    scene.store.quarantines.lift(person.id, lifted_by=None)
    assert scene.store.rounds.preview() == before
    assert scene.store.quarantines.of(person.id) is None


def test_a_frozen_round_keeps_what_it_was_given_and_is_listed(scene: Scene) -> None:
    person = scene.annotator()
    scene.judge(person, Choice.A, scene.pair())
    scene.judge(person, Choice.B, scene.pair())
    created = scene.store.rounds.create(config={}, started_by=None)
    snapshot = scene.store.rounds.snapshot(created.id)
    scene.store.quarantines.begin(person.id, reason="x", made_by=None)
    assert scene.store.rounds.snapshot(created.id) == snapshot
    assert scene.store.quarantines.rounds_of(person.id) == {created.id: 2}


def test_a_quarantine_is_begun_once_with_a_reason_and_lifted_once(scene: Scene) -> None:
    person = scene.annotator()
    with pytest.raises(InputError, match="needs a reason"):
        scene.store.quarantines.begin(person.id, reason=" ", made_by=None)
    with pytest.raises(NotFoundError):
        scene.store.quarantines.begin(99, reason="x", made_by=None)
    with pytest.raises(ConflictError, match="not in quarantine"):
        scene.store.quarantines.lift(person.id, lifted_by=None)
    made = scene.store.quarantines.begin(person.id, reason="x", made_by=None)
    assert scene.store.quarantines.in_force() == [made]
    with pytest.raises(ConflictError, match="already"):
        scene.store.quarantines.begin(person.id, reason="y", made_by=None)


@pytest.mark.parametrize(("flag", "trains"), [(Flag.BROKEN_PROMPT, 0), (Flag.PERSONAL_DATA, 0), (Flag.UNSAFE, 1)])
def test_a_pair_whose_prompt_somebody_flagged_does_not_train(scene: Scene, flag: Flag, trains: int) -> None:
    pair = scene.pair(target=2)
    scene.judge(scene.annotator(), Choice.A, pair)
    lease = scene.lease(scene.annotator(), pair)
    verdict = Verdict(Choice.SKIP, remarks=Remarks(flag=flag))
    scene.store.judgments.record(lease.annotator_id, lease.token, verdict, idempotency_key="flagged")
    snapshot = scene.store.rounds.preview()
    assert len(snapshot.train) == trains
    assert snapshot.excluded.get("flagged", 0) == (0 if trains else 2)
