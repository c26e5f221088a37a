import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.records import Choice, Split
from data.rounds.aggregation import AggregatedVotes, Opinion, outcome
from data.rounds.selection import select
from data.rounds.vote_table import Vote

A, B, TIE, BAD = Choice.A, Choice.B, Choice.TIE, Choice.BOTH_BAD


def said(*choices: Choice) -> list[Opinion]:
    return [Opinion(number, choice) for number, choice in enumerate(choices)]


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ((A,), AggregatedVotes(A, None, 1)),
        ((A, A, B), AggregatedVotes(A, None, 2 / 3)),
        ((A, A, TIE), AggregatedVotes(A, None, 1)),
        ((A, B), AggregatedVotes(TIE, None, 0)),
        ((TIE,), AggregatedVotes(TIE, None, 1)),
        ((TIE, A, B), AggregatedVotes(TIE, None, 1 / 3)),
        ((BAD, BAD, A), AggregatedVotes(BAD, None, 2 / 3)),
        ((BAD, A), AggregatedVotes(A, None, 1)),
    ],
)
def test_the_majority_decides(choices: tuple[Choice, ...], expected: AggregatedVotes) -> None:
    found = outcome(said(*choices))
    assert (found.choice, found.strength) == (expected.choice, expected.strength)
    assert found.agreement == pytest.approx(expected.agreement)


def test_strength_is_the_mean_of_the_winning_votes() -> None:
    opinions = [Opinion(1, A, 3), Opinion(2, A, None), Opinion(3, B, 3)]
    assert outcome(opinions).strength == 2


def test_a_reliable_vote_outweighs_two_that_are_not() -> None:
    reliability = {1: 0.95, 2: 0.6, 3: 0.6}
    found = outcome([Opinion(1, A), Opinion(2, B), Opinion(3, B)], reliability)
    # odds 19 to (3/2)^2, as Bayes has it
    assert found.choice is A
    assert found.agreement == pytest.approx(19 / (19 + 2.25))


def test_the_reliable_may_win_without_a_strength() -> None:
    assert outcome([Opinion(1, A, None), Opinion(2, B, 3)], {1: 0.9, 2: 0.6}).strength is None


@given(st.lists(st.sampled_from([A, B, TIE, BAD]), min_size=1, max_size=7))
def test_it_decides_as_rounds_do(choices: list[Choice]) -> None:
    votes = [Vote(number, 1, choice, None, Split.TRAIN) for number, choice in enumerate(choices, 1)]
    selection = select(votes)
    found = outcome(said(*choices))
    assert [decision.winner for decision in selection.decisions] == ([found.choice] if found.choice.decisive else [])
    assert bool(selection.both_bad) == (found.choice is BAD)


@given(st.lists(st.sampled_from([A, B, TIE, BAD]), min_size=1, max_size=7))
def test_equal_reliability_is_the_majority(choices: list[Choice]) -> None:
    everybody = dict.fromkeys(range(7), 0.8)
    assert outcome(said(*choices), everybody).choice is outcome(said(*choices)).choice
