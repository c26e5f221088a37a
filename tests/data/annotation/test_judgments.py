import pytest

from data.errors import ConflictError, InputError, NotFoundError
from data.records import Choice, Flag, Remarks, Split, Verdict
from tests.data.scene import MINUTE, Scene


@pytest.mark.parametrize("choice", [choice for choice in Choice if choice is not Choice.RETRACTED])
def test_a_verdict_in_shown_sides_is_kept_in_the_pairs_sides(scene: Scene, choice: Choice) -> None:
    ann = scene.annotator()
    swaps = set()
    for number in range(12):
        lease = scene.lease(ann, scene.pair())
        verdict = Verdict(choice, strength=2 if choice.decisive else None, elapsed_ms=1234)
        kept = scene.store.judgments.record(ann.id, lease.token, verdict, idempotency_key=f"k{number}")
        if choice.decisive:
            meant = lease.shown[0] if choice is Choice.A else lease.shown[1]
            assert (lease.pair.a if kept.choice is Choice.A else lease.pair.b) == meant
        else:
            assert kept.choice is choice
        assert (kept.swapped, kept.elapsed_ms, kept.strength) == (lease.swapped, 1234, verdict.strength)
        assert kept.created_at == scene.clock.now
        swaps.add(lease.swapped)
    assert swaps == {True, False}


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict(Choice.TIE, strength=1), "not with tie"),
        (Verdict(Choice.SKIP, strength=3), "not with skip"),
        (Verdict(Choice.A, strength=4), "none of 1, 2, 3"),
        (Verdict(Choice.A, strength=0), "none of 1, 2, 3"),
        (Verdict(Choice.B, elapsed_ms=-1), "below 0"),
        (Verdict(Choice.RETRACTED), "undo"),
    ],
)
def test_a_verdict_that_cannot_be_is_refused(scene: Scene, verdict: Verdict, words: str) -> None:
    ann = scene.annotator()
    lease = scene.lease(ann, scene.pair())
    with pytest.raises(InputError, match=words):
        scene.store.judgments.record(ann.id, lease.token, verdict, idempotency_key="k")
    assert scene.store.judgments.last_id() == 0


def test_the_same_key_again_is_the_same_judgment(scene: Scene) -> None:
    ann = scene.annotator()
    lease = scene.lease(ann, scene.pair())
    record = scene.store.judgments.record
    once = record(ann.id, lease.token, Verdict(Choice.A, 2, elapsed_ms=10), idempotency_key="k")
    assert record(ann.id, lease.token, Verdict(Choice.A, 2, elapsed_ms=11), idempotency_key="k") == once
    assert scene.store.judgments.count() == 1


def test_a_key_used_for_something_else_is_a_conflict(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    lease, theirs = scene.lease(ann, scene.pair()), scene.lease(other, scene.pair())
    record = scene.store.judgments.record
    record(ann.id, lease.token, Verdict(Choice.A, 2), idempotency_key="k")
    for who, token, verdict in (
        (ann, lease.token, Verdict(Choice.B, 2)),
        (ann, lease.token, Verdict(Choice.A, 3)),
        (other, theirs.token, Verdict(Choice.A, 2)),
    ):
        with pytest.raises(ConflictError, match="key was used"):
            record(who.id, token, verdict, idempotency_key="k")
    with pytest.raises(InputError, match="idempotency key"):
        record(other.id, theirs.token, Verdict(Choice.A), idempotency_key="")


def test_a_lease_is_judged_once(scene: Scene) -> None:
    ann = scene.annotator()
    lease = scene.lease(ann, scene.pair())
    scene.answer(lease, Choice.A)
    with pytest.raises(ConflictError, match="already judged this pair"):
        scene.answer(lease, Choice.A)


def test_a_lease_of_another_or_of_nobody_is_not_found(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    lease = scene.lease(ann, scene.pair())
    for who, token in ((other, lease.token), (ann, "made up")):
        with pytest.raises(NotFoundError, match="not assigned to you"):
            scene.store.judgments.record(who.id, token, Verdict(Choice.A), idempotency_key="k")
    scene.answer(lease, Choice.A)


def test_a_late_answer_is_kept_while_there_is_room(scene: Scene) -> None:
    lease = scene.lease(scene.annotator(), scene.pair())
    scene.clock.now += 60 * MINUTE
    assert scene.answer(lease, Choice.A).pair_id == lease.pair.id


@pytest.mark.parametrize("judged", [True, False])
def test_a_late_answer_is_a_conflict_when_another_has_the_place(scene: Scene, judged: bool) -> None:
    ann, other = scene.annotator(), scene.annotator()
    lease = scene.lease(ann, scene.pair())
    scene.clock.now += 60 * MINUTE
    theirs = scene.lease(other)
    if judged:
        scene.answer(theirs, Choice.B)
    with pytest.raises(ConflictError, match="went to others"):
        scene.answer(lease, Choice.A)


def test_an_answer_on_a_lease_given_back_is_kept_while_there_is_room(scene: Scene) -> None:
    ann = scene.annotator()
    lease = scene.lease(ann, scene.pair())
    scene.lease(ann, scene.pair())
    assert scene.answer(lease, Choice.A).pair_id == lease.pair.id


def test_a_clock_set_back_lets_no_pair_overfill(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    lease = scene.lease(ann, scene.pair())
    scene.clock.now += 10 * MINUTE
    theirs = scene.lease(other)
    scene.clock.now -= 5 * MINUTE
    scene.answer(theirs, Choice.B)
    with pytest.raises(ConflictError, match="went to others"):
        scene.answer(lease, Choice.A)


def test_a_late_answer_on_the_first_of_two_leases_frees_the_second(scene: Scene) -> None:
    """Two tabs: the pair expired in the first, was lent again in the second, and is judged in the first."""
    ann = scene.annotator()
    pair, following = scene.pair(), scene.pair()
    first = scene.lease(ann, pair)
    scene.clock.now += 10 * MINUTE
    second = scene.lease(ann, pair)
    scene.answer(first, Choice.A)
    assert scene.lease(ann).pair == following
    with pytest.raises(ConflictError, match="already judged this pair"):
        scene.answer(second, Choice.B)


def test_counts_are_of_current_judgments(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    for choice in (Choice.A, Choice.TIE, Choice.SKIP, Choice.B):
        scene.judge(ann, choice, scene.pair())
    scene.judge(other, Choice.A, scene.pair())
    judgments = scene.store.judgments
    assert (judgments.progress(ann.id), judgments.progress(other.id), judgments.count()) == (4, 1, 5)
    assert (judgments.last_id(), judgments.decisive_since(0), judgments.decisive_since(1)) == (5, 3, 2)
    scene.undo(ann)
    assert (judgments.progress(ann.id), judgments.count(), judgments.decisive_since(0)) == (3, 4, 2)


def decisive(scene: Scene) -> int:
    return scene.store.judgments.decisive_since(0)


def test_who_is_in_quarantine_names_no_winner_that_may_train(scene: Scene) -> None:
    ann, bot = scene.annotator(), scene.annotator()
    for person in (ann, bot, bot):
        scene.judge(person, Choice.A, scene.pair())
    scene.store.quarantines.begin(bot.id, reason="guesses", made_by=None)
    assert decisive(scene) == 1
    scene.store.quarantines.lift(bot.id, lifted_by=None)
    assert decisive(scene) == 3


@pytest.mark.parametrize(("flag", "count"), [(Flag.BROKEN_PROMPT, 0), (Flag.PERSONAL_DATA, 0), (Flag.UNSAFE, 2)])
def test_winners_on_a_flagged_pair_may_train_only_if_it_is_unsafe(scene: Scene, flag: Flag, count: int) -> None:
    pair = scene.pair(target=2)
    scene.judge(scene.annotator(), Choice.A, pair)
    lease = scene.lease(scene.annotator(), pair)
    verdict = Verdict(Choice.A, remarks=Remarks(flag=flag))
    scene.store.judgments.record(lease.annotator_id, lease.token, verdict, idempotency_key="flagged")
    assert decisive(scene) == count


def test_a_winner_on_a_held_out_prompt_may_not_train(scene: Scene) -> None:
    ann = scene.annotator()
    for split in Split:
        scene.judge(ann, Choice.B, scene.pair(split=split))
    assert decisive(scene) == 1


def test_a_winner_that_was_edited_counts_once(scene: Scene) -> None:
    lease = scene.lease(scene.annotator(), scene.pair())
    verdict = Verdict(Choice.A, edit="as it should be")
    scene.store.judgments.record(lease.annotator_id, lease.token, verdict, idempotency_key="edited")
    assert (scene.store.judgments.count(), decisive(scene)) == (2, 1)


def test_history_shows_every_row_and_a_pair_its_current_ones(scene: Scene) -> None:
    ann, other = scene.annotator(), scene.annotator()
    pair = scene.pair(target=2)
    first = scene.judge(ann, Choice.A, pair)
    theirs = scene.judge(other, Choice.B, pair)
    lease, _ = scene.undo(ann)
    again = scene.answer(lease, Choice.TIE)
    history = scene.store.judgments.history(ann.id, 10)
    assert [row.choice for row in history] == [Choice.TIE, Choice.RETRACTED, Choice.A]
    assert (history[0], history[2]) == (again, first)
    assert scene.store.judgments.history(ann.id, 1) == [again]
    assert scene.store.judgments.by_pair(pair.id) == [theirs, again]
