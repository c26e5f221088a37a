"""The length bias against statsmodels' own regressions."""

import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
import statsmodels.api as sm

from data.quality.bias import PRIOR_DEVIATION, length_bias, longer_wins, position_bias
from data.quality.share import Share
from data.quality.vote import QualityVote
from data.records import Choice
from tests.data.quality.crowd import always_left, always_longer, ballot, coin, crowd, items, judged


def drawn(count: int, constant: float, slope: float) -> list[QualityVote]:
    """Ballots by the model itself: the log odds that the left side wins are constant + slope log2(left / right)."""
    source = Random(count)
    cast = []
    for number in range(count):
        left, right, swapped = source.randint(10, 2000), source.randint(10, 2000), source.random() < 0.5
        odds = constant + slope * math.log2((left + 1) / (right + 1))
        left_wins = source.random() < 1 / (1 + math.exp(-odds))
        lengths = (right, left) if swapped else (left, right)
        choice = Choice.A if left_wins != swapped else Choice.B
        one = ballot(1, number, choice, number)
        cast.append(replace(one, swapped=swapped, length_a=lengths[0], length_b=lengths[1]))
    return cast


def regression(cast: Sequence[QualityVote]) -> tuple["np.ndarray", "np.ndarray"]:
    lengths = np.array([one.shown_lengths for one in cast]) + 1
    assert all(one.left is not None for one in cast)
    return np.array([float(bool(one.left)) for one in cast]), sm.add_constant(np.log2(lengths[:, 0] / lengths[:, 1]))


def test_the_share_of_the_left_side_is_counted_as_shown() -> None:
    cast = judged(Random(1), 1, always_left, items(Random(1), 40))
    assert position_bias([*cast, ballot(choice=Choice.TIE)]) == Share(40, 40)


def test_the_share_of_the_longer_answer_is_counted() -> None:
    cast = judged(Random(1), 1, always_longer, items(Random(1), 40))
    assert longer_wins([*cast, replace(ballot(), length_a=300)]) == Share(40, 40)


def test_many_ballots_give_what_the_unpenalised_regression_gives() -> None:
    cast = drawn(3000, 0.3, 0.5)
    found, theirs = length_bias(cast), sm.Logit(*regression(cast)).fit(disp=0)
    assert found is not None
    assert found.coefficient == pytest.approx(theirs.params[1], rel=1e-3)
    assert found.deviation == pytest.approx(theirs.bse[1], rel=1e-3)
    assert (found.low, found.high) == pytest.approx(tuple(np.exp(theirs.conf_int()[1])), rel=1e-3)


def test_few_ballots_give_what_the_ridge_gives() -> None:
    cast = drawn(30, 1.0, 0.8)
    model = sm.GLM(*regression(cast), family=sm.families.Binomial())
    ridge = model.fit_regularized(alpha=1 / (len(cast) * PRIOR_DEVIATION**2), L1_wt=0)
    found = length_bias(cast)
    assert found is not None
    assert found.coefficient == pytest.approx(ridge.params[1], abs=1e-4)


def test_the_planted_bias_lies_in_the_interval() -> None:
    found = length_bias(drawn(2000, -0.4, 0.7))
    assert found is not None
    assert found.low < math.exp(0.7) < found.high
    assert found.of == 2000


def test_somebody_who_always_takes_the_longer_one_has_a_finite_bias() -> None:
    found = length_bias(judged(Random(2), 1, always_longer, items(Random(2), 60)))
    assert found is not None
    assert 2 < found.low < found.odds < found.high < math.inf


def test_a_bias_of_position_is_none_of_length() -> None:
    found = length_bias(judged(Random(3), 1, always_left, items(Random(3), 200)))
    assert found is not None
    assert found.low < 1 < found.high


def test_coins_have_no_bias() -> None:
    cast = crowd(Random(4), dict.fromkeys(range(5), coin), items(Random(4), 200))
    found = length_bias(cast)
    assert found is not None
    assert found.odds == pytest.approx(1, abs=0.1)


def test_answers_of_one_length_leave_the_prior() -> None:
    found = length_bias([replace(ballot(), length_a=0, length_b=0)])
    assert found is not None
    assert (found.odds, found.deviation) == pytest.approx((1.0, PRIOR_DEVIATION))


def test_no_winner_no_bias() -> None:
    assert length_bias([ballot(choice=Choice.BOTH_BAD)]) is None
    assert position_bias([]) is None
