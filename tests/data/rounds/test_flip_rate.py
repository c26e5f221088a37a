import subprocess
import sys
from collections.abc import Sequence
from random import Random

import pytest

from data.records import Choice, Split
from data.rounds.flip_rate import FEWEST_VOTE_PAIRS, LARGEST_FLIP_RATE, flip_rate, vote_pairs
from data.rounds.vote_table import Vote, VoteTable

A, B = Choice.A, Choice.B


def quality_votes(*pairs: Sequence[Choice]) -> list[Vote]:
    """The votes on one pair after the other, each by somebody else."""
    numbered = [(pair_id, choice) for pair_id, choices in enumerate(pairs) for choice in choices]
    return [Vote(number, pair_id, choice, None, Split.TRAIN) for number, (pair_id, choice) in enumerate(numbered)]


def agreeing(share: float, count: int = 1000) -> VoteTable:
    """Pairs with two votes each, of which a share agree."""
    return VoteTable.of(quality_votes(*[(A, A if number < share * count else B) for number in range(count)]))


@pytest.mark.parametrize(
    ("votes", "agreeing", "total"),
    [
        ([(A,), (B,)], 0, 0),
        ([(A, A), (B, B), (A, B)], 2, 3),
        ([(A, A, B)], 1, 3),
        ([(A, A, A, B, B)], 4, 10),
        ([(A, Choice.TIE, Choice.BOTH_BAD, Choice.SKIP), (B, Choice.TIE)], 0, 0),
    ],
)
def test_pairs_of_votes_are_counted(votes: list[Sequence[Choice]], agreeing: int, total: int) -> None:
    assert vote_pairs(VoteTable.of(quality_votes(*votes))) == (agreeing, total)


@pytest.mark.parametrize(
    ("agreement", "rate"), [(1.0, 0.0), (0.82, 0.1), (0.68, 0.2), (0.63, 0.245), (0.73, 0.161), (0.81, 0.106)]
)
def test_the_rate_is_that_of_two_who_flip_alike(agreement: float, rate: float) -> None:
    """1 - 2e(1 - e) is .82 at .1 and .68 at .2; the others are published agreements of annotators."""
    assert flip_rate(agreeing(agreement)) == pytest.approx(rate, abs=5e-4)


@pytest.mark.parametrize("agreement", [0.5001, 0.5, 0.3, 0.0])
def test_coins_have_the_largest_rate(agreement: float) -> None:
    assert flip_rate(agreeing(agreement, 10_000)) == LARGEST_FLIP_RATE < 0.5


def test_too_few_pairs_of_votes_give_no_rate() -> None:
    assert flip_rate(agreeing(1.0, FEWEST_VOTE_PAIRS - 1)) is None
    assert flip_rate(agreeing(1.0, FEWEST_VOTE_PAIRS)) == 0.0
    assert flip_rate(VoteTable.of([])) is None


@pytest.mark.parametrize("people", [2, 3, 5])
@pytest.mark.parametrize("rate", [0.05, 0.16, 0.3])
def test_the_rate_that_annotators_flip_with_is_found(people: int, rate: float) -> None:
    source = Random(f"{people}/{rate}")
    truths = [source.choice((A, B)) for _ in range(4000)]
    votes = quality_votes(*[[t.mirrored if source.random() < rate else t for _ in range(people)] for t in truths])
    source.shuffle(votes)
    assert flip_rate(VoteTable.of(votes)) == pytest.approx(rate, abs=0.03)


def test_rounds_know_the_rate_without_the_weight_of_statistics() -> None:
    """The command line and the trainer import them, and must not wait."""
    code = "import sys, data.rounds.rounds; sys.exit(bool({'scipy', 'statsmodels'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
