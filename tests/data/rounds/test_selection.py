from collections import Counter
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from data.records import Choice, Split
from data.rounds.selection import BadPair, PairOutcome, Selection, select
from data.rounds.selection_rules import SelectionRules
from data.rounds.vote_table import Vote
from data.support.digests import canonical, sha256

votes = st.builds(
    Vote,
    judgment_id=st.integers(1, 10**6),
    pair_id=st.integers(1, 6),
    choice=st.sampled_from([choice for choice in Choice if choice is not Choice.RETRACTED]),
    strength=st.none() | st.integers(1, 3),
    split=st.just(Split.TRAIN),
)
# a pair's votes share its prompt's split
quality_votes = st.lists(votes, max_size=30, unique_by=lambda vote: vote.judgment_id).map(
    lambda ballot: [replace(vote, split=list(Split)[vote.pair_id % 2]) for vote in ballot]
)


rules = st.builds(
    SelectionRules,
    since_last=st.booleans(),
    replay=st.floats(0, 1),
    agreement=st.floats(0, 1),
    least_strength=st.floats(1, 3),
)


def vote(judgment_id: int, choice: Choice, strength: int | None = None, split: Split = Split.TRAIN) -> Vote:
    return Vote(judgment_id, 1, choice, strength, split)


def used_by(selection: Selection) -> list[int]:
    outcomes: list[PairOutcome | BadPair] = [*selection.decisions, *selection.both_bad]
    return [number for outcome in outcomes for number in outcome.judgment_ids]


def test_the_majority_wins_with_the_mean_strength_of_its_votes() -> None:
    selection = select([vote(3, Choice.A, 3), vote(1, Choice.B, 1), vote(2, Choice.A)])
    assert selection.decisions == (PairOutcome(1, Choice.A, 2.0, (1, 2, 3), Split.TRAIN, 2 / 3),)
    assert selection.excluded == {}


def test_an_even_split_decides_nothing() -> None:
    selection = select([vote(1, Choice.A), vote(2, Choice.B), vote(3, Choice.TIE)])
    assert selection.decisions == ()
    assert selection.excluded == {"split": 2, "tie": 1}


def test_a_vote_without_a_winner_does_not_weigh() -> None:
    others = [vote(n, choice) for n, choice in enumerate((Choice.TIE, Choice.SKIP, Choice.BOTH_BAD), 2)]
    selection = select([vote(1, Choice.B, 2), *others])
    assert selection.decisions == (PairOutcome(1, Choice.B, 2.0, (1,), Split.TRAIN),)
    assert selection.excluded == {"both_bad": 1, "skip": 1, "tie": 1}


def test_more_than_half_say_that_both_are_bad() -> None:
    selection = select([vote(3, Choice.BOTH_BAD), vote(1, Choice.A, 3), vote(2, Choice.BOTH_BAD), vote(4, Choice.TIE)])
    assert selection.decisions == ()
    assert selection.both_bad == (BadPair(1, (1, 2, 3)),)
    assert selection.excluded == {"tie": 1}


def test_half_is_not_more_than_half() -> None:
    selection = select([vote(1, Choice.BOTH_BAD), vote(2, Choice.A)])
    assert [decision.winner for decision in selection.decisions] == [Choice.A]
    assert (selection.both_bad, selection.excluded) == ((), {"both_bad": 1})
    even = select([vote(1, Choice.BOTH_BAD), vote(2, Choice.A), vote(3, Choice.B), vote(4, Choice.BOTH_BAD)])
    assert (even.decisions, even.both_bad, even.excluded) == ((), (), {"both_bad": 2, "split": 2})


def test_ties_and_skips_do_not_weigh_against_both_bad() -> None:
    others = [vote(number, choice) for number, choice in enumerate((Choice.TIE, Choice.TIE, Choice.SKIP), 2)]
    selection = select([vote(1, Choice.BOTH_BAD), *others])
    assert selection.both_bad == (BadPair(1, (1,)),)
    assert selection.excluded == {"skip": 1, "tie": 2}


def test_a_bad_pair_on_a_held_out_prompt_is_left_out() -> None:
    choices = (Choice.BOTH_BAD, Choice.BOTH_BAD, Choice.A)
    selection = select([vote(number, choice, split=Split.HELDOUT) for number, choice in enumerate(choices)])
    assert (selection.decisions, selection.both_bad) == ((), ())
    assert selection.excluded == {"both_bad": 2, "split": 1}


def on_pairs(count: int, choice: Choice = Choice.A, split: Split = Split.TRAIN) -> list[Vote]:
    """One vote on each of some pairs, judgment and pair having the same number."""
    return [Vote(number, number, choice, 2, split) for number in range(1, count + 1)]


def test_a_disputed_pair_can_be_left_out() -> None:
    disputed = [vote(1, Choice.A), vote(2, Choice.A), vote(3, Choice.B)]
    assert select(disputed, SelectionRules(agreement=0.6)).excluded == {}
    found = select(disputed, SelectionRules(agreement=0.7))
    assert (found.decisions, found.excluded) == ((), {"disputed": 3})


def test_a_weak_pair_can_be_left_out() -> None:
    weak = [vote(1, Choice.A, 2), vote(2, Choice.A, 1)]
    assert select(weak, SelectionRules(least_strength=1.5)).excluded == {}
    assert select(weak, SelectionRules(least_strength=1.6)).excluded == {"weak": 2}


def test_older_pairs_can_be_left_out_and_held_out_ones_are_never_too_old() -> None:
    mixed = [*on_pairs(4), *(replace(one, judgment_id=9, pair_id=9, split=Split.HELDOUT) for one in on_pairs(1))]
    found = select(mixed, SelectionRules(since_last=True), since=2)
    assert [decision.pair_id for decision in found.decisions] == [3, 4, 9]
    assert found.excluded == {"older": 2}
    assert [d.pair_id for d in select(mixed, SelectionRules(since_last=True), since=9).decisions] == [9]
    assert select(mixed, since=9).excluded == {}


def test_a_pair_that_was_judged_again_since_is_new() -> None:
    again = [vote(1, Choice.A), vote(7, Choice.A)]
    assert select(again, SelectionRules(since_last=True), since=5).excluded == {}


def test_a_share_of_the_older_pairs_is_replayed_the_same_each_time() -> None:
    def replayed(share: float) -> set[int]:
        found = select(on_pairs(2000), SelectionRules(since_last=True, replay=share), since=2000)
        return {decision.pair_id for decision in found.decisions}

    assert replayed(0) == set()
    assert len(replayed(1)) == 2000
    assert 540 < len(replayed(0.3)) < 660
    assert replayed(0.2) < replayed(0.3)
    assert replayed(0.3) == replayed(0.3)


def test_of_pairs_with_the_same_answers_the_one_judged_last_counts() -> None:
    first, second = vote(5, Choice.A), replace(vote(3, Choice.B), pair_id=2)
    found = select([replace(one, same_as=1) for one in (first, second)])
    assert [decision.pair_id for decision in found.decisions] == [1]
    assert found.excluded == {"duplicate": 1}


@given(quality_votes)
def test_the_digest_is_of_what_was_selected_and_of_nothing_else(ballot: list[Vote]) -> None:
    once = select(ballot)
    assert select([*ballot, vote(10**7, Choice.SKIP)]).sha256 == once.sha256
    used = set(used_by(once))
    assert select([one for one in ballot if one.judgment_id in used]).sha256 == once.sha256
    fewer = select([one for one in ballot if one.judgment_id != max(used, default=0)])
    assert (fewer.sha256 == once.sha256) is (not used)


@given(quality_votes)
def test_the_digest_is_of_the_canonical_json_that_rounds_of_older_prefloops_have_it_of(ballot: list[Vote]) -> None:
    found = select(ballot)
    decided = [[d.pair_id, d.winner.value, d.split.value, *d.judgment_ids] for d in found.decisions]
    both_bad = [[bad.pair_id, *bad.judgment_ids] for bad in found.both_bad]
    assert found.sha256 == sha256(canonical({"decided": decided, "both_bad": both_bad}))


@given(quality_votes, rules, st.integers(0, 10**6))
def test_every_vote_is_used_or_excluded_exactly_once(ballot: list[Vote], given: SelectionRules, since: int) -> None:
    selection = select([replace(one, same_as=one.pair_id // 3) for one in ballot], given, since=since)
    used = used_by(selection)
    assert len(used) == len(set(used))
    assert len(used) + sum(selection.excluded.values()) == len(ballot)
    assert all(1 <= decision.strength <= 3 for decision in selection.decisions)


@given(quality_votes, st.randoms())
def test_the_order_of_votes_does_not_matter(ballot: list[Vote], random: Random) -> None:
    shuffled = sorted(ballot, key=lambda _: random.random())
    assert select(shuffled) == select(ballot)


@given(quality_votes)
def test_mirrored_votes_give_mirrored_winners(ballot: list[Vote]) -> None:
    mirrored = [
        Vote(vote.judgment_id, vote.pair_id, vote.choice.mirrored, vote.strength, vote.split) for vote in ballot
    ]
    winners = {d.pair_id: d.winner.mirrored for d in select(ballot).decisions}
    assert {d.pair_id: d.winner for d in select(mirrored).decisions} == winners


@given(quality_votes, rules, st.integers(0, 10**6))
def test_what_was_used_selects_itself_again(ballot: list[Vote], given: SelectionRules, since: int) -> None:
    """A frozen snapshot is rebuilt by the same rule from the judgments it used, whatever rules it was frozen by."""
    once = select(ballot, given, since=since)
    used = set(used_by(once))
    again = select([vote for vote in ballot if vote.judgment_id in used])
    assert (again.decisions, again.both_bad) == (once.decisions, once.both_bad)
    assert again.excluded == {}


@given(quality_votes)
def test_the_winner_has_more_votes(ballot: list[Vote]) -> None:
    for decision in select(ballot).decisions:
        tally = Counter(vote.choice for vote in ballot if vote.pair_id == decision.pair_id)
        assert tally[decision.winner] > tally[decision.winner.mirrored]


@given(quality_votes)
def test_a_bad_pair_has_more_such_votes_than_votes_for_a_winner(ballot: list[Vote]) -> None:
    selection = select(ballot)
    decided = {decision.pair_id for decision in selection.decisions}
    for bad in selection.both_bad:
        tally = Counter(vote.choice for vote in ballot if vote.pair_id == bad.pair_id)
        assert tally[Choice.BOTH_BAD] > tally[Choice.A] + tally[Choice.B]
        assert bad.pair_id not in decided
