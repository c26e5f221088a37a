import pytest

from data.records import Annotator, Choice, Flag, Remarks, Verdict
from data.versions.comparisons import ComparisonVote, evidence
from data.versions.sequential_test import Evidence
from tests.data.scene import MINUTE, Scene, completion


@pytest.fixture
def contest(scene: Scene) -> Scene:
    scene.add_version("v1")
    scene.add_version("v2")
    return scene


def vote(scene: Scene, person: Annotator, choice: Choice, *, versions: tuple[str, str] = ("v1", "base")) -> int:
    """A vote on a pair of two versions, in the pair's own order; the judgment's id."""
    number = next(scene.numbers)
    a, b = (completion(f"{version} {number}", version) for version in versions)
    pair = scene.store.pairs.add_evaluation(scene.prompt_id(), a, b, champion=versions[0])
    return scene.judge(person, choice, pair).id


def test_each_vote_names_who_won(contest: Scene) -> None:
    ann = contest.annotator()
    ids = [vote(contest, ann, choice) for choice in (Choice.A, Choice.B, Choice.TIE, Choice.BOTH_BAD, Choice.SKIP)]
    found = contest.store.comparisons.all()
    assert found == [
        ComparisonVote(given, ("v1", "base"), winner, contest.clock.now)
        for given, winner in zip(ids, ("v1", "base", None, None), strict=False)
    ]
    assert evidence(found, "v1") == Evidence(1, 1)


def test_votes_on_other_pairs_are_none(contest: Scene) -> None:
    contest.judge(contest.annotator(), Choice.A, contest.pair())
    assert contest.store.comparisons.all() == []


def test_two_versions_are_told_from_others_whichever_was_first(contest: Scene) -> None:
    ann = contest.annotator()
    vote(contest, ann, Choice.A, versions=("v1", "base"))
    vote(contest, ann, Choice.B, versions=("base", "v1"))
    vote(contest, ann, Choice.A, versions=("v2", "v1"))
    between = contest.store.comparisons.between("v1", "base")
    assert evidence(between, "v1") == Evidence(2, 0)
    assert evidence(between, "base") == Evidence(0, 2)


def test_votes_before_a_time_are_left_out(contest: Scene) -> None:
    ann = contest.annotator()
    vote(contest, ann, Choice.A)
    contest.clock.now += MINUTE
    late = vote(contest, ann, Choice.B)
    since = contest.clock.now
    assert [one.judgment_id for one in contest.store.comparisons.between("v1", "base", since=since)] == [late]


@pytest.mark.parametrize("undone", [True, False])
def test_a_vote_changed_later_is_as_old_as_it_was(contest: Scene, undone: bool) -> None:
    ann = contest.annotator()
    began = contest.clock.now
    first = vote(contest, ann, Choice.A)
    contest.clock.now += MINUTE
    if undone:
        lease, _ = contest.undo(ann)
    else:
        lease, _ = contest.store.judgments.change(ann.id, first, duration_ms=MINUTE)
    changed = contest.answer(lease, Choice.B)
    [found] = contest.store.comparisons.between("v1", "base")
    assert (found.judgment_id, found.winner, found.given_at) == (changed.id, "base", began)
    assert contest.store.comparisons.between("v1", "base", since=contest.clock.now) == []


def test_a_vote_is_no_older_for_what_another_said_of_the_pair_before(contest: Scene) -> None:
    ann = contest.annotator()
    vote(contest, ann, Choice.A)
    lease, _ = contest.undo(ann)
    contest.clock.now += 60 * MINUTE
    contest.judge(contest.annotator(), Choice.B, lease.pair)
    assert [one.given_at for one in contest.store.comparisons.all()] == [contest.clock.now]


def test_what_was_undone_or_changed_counts_as_it_stands(contest: Scene) -> None:
    ann = contest.annotator()
    vote(contest, ann, Choice.A)
    lease, _ = contest.undo(ann)
    assert contest.store.comparisons.all() == []
    contest.answer(lease, Choice.B)
    assert evidence(contest.store.comparisons.all(), "v1") == Evidence(0, 1)


def test_who_is_in_quarantine_does_not_count_until_it_is_lifted(contest: Scene) -> None:
    ann = contest.annotator()
    vote(contest, ann, Choice.A)
    contest.store.quarantines.begin(ann.id, reason="guesses", made_by=None)
    assert contest.store.comparisons.all() == []
    contest.store.quarantines.lift(ann.id, lifted_by=None)
    assert len(contest.store.comparisons.all()) == 1


@pytest.mark.parametrize(("flag", "count"), [(Flag.BROKEN_PROMPT, 0), (Flag.PERSONAL_DATA, 0), (Flag.UNSAFE, 1)])
def test_flagged_pairs_do_not_count_unless_they_are_only_unsafe(contest: Scene, flag: Flag, count: int) -> None:
    ann = contest.annotator()
    a, b = completion("x", "v1"), completion("y", "base")
    pair = contest.store.pairs.add_evaluation(contest.prompt_id(), a, b, champion="v1")
    verdict = Verdict(Choice.A, remarks=Remarks(flag=flag))
    contest.store.judgments.record(ann.id, contest.lease(ann, pair).token, verdict, idempotency_key="f")
    assert len(contest.store.comparisons.all()) == count
