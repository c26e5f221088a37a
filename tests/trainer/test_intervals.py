"""Intervals of a mean, against a permutation test, another library, and counting how often they are right."""

import random
import statistics
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.weightstats import DescrStatsW

from trainer.intervals import FEWEST, interval_of_mean


def by_sign_flips(values: list[float], centre: float) -> float:
    """Fisher's randomisation test of a symmetric centre: two-sided p, by all 2^n flips."""
    off = [value - centre for value in values]
    seen = abs(sum(off))
    flips = [
        abs(sum(sign * value for sign, value in zip(signs, off, strict=True)))
        for signs in product((1, -1), repeat=len(off))
    ]
    return sum(flip >= seen - 1e-12 for flip in flips) / len(flips)


@given(st.lists(st.floats(-9, 9), min_size=FEWEST, max_size=11, unique=True))
def test_few_values_reject_what_the_permutation_test_rejects(values: list[float]) -> None:
    found = interval_of_mean(values)
    assert found is not None
    width = found.high - found.low
    for centre in (found.low - 0.01 * width - 1e-9, found.high + 0.01 * width + 1e-9):
        assert by_sign_flips(values, centre) <= 0.05
    assert by_sign_flips(values, statistics.fmean(values)) > 0.05


def test_values_on_one_side_of_zero_tell_however_different_they_are() -> None:
    found = interval_of_mean([0.1, 30.0, 0.4, 2.0, 90.0, 1.0, 0.2, 0.3, 5.0, 0.1])
    assert found is not None and found.low > 0


@pytest.mark.parametrize("count", range(FEWEST))
def test_of_too_few_nothing_is_said(count: int) -> None:
    assert interval_of_mean([1.0] * count) is None


def test_many_values_have_student_s_interval() -> None:
    source = random.Random(0)
    values = [source.gauss(1, 3) for _ in range(40)]
    found = interval_of_mean(values)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(DescrStatsW(values).tconfint_mean(0.05))


@pytest.mark.parametrize("count", [FEWEST, 12, 30])
def test_it_holds_the_centre_about_nineteen_times_in_twenty(count: int) -> None:
    source = random.Random(count)
    held = 0
    for _ in range(300):
        found = interval_of_mean([source.uniform(-1, 1) for _ in range(count)])
        assert found is not None
        held += found.low <= 0 <= found.high
    assert 0.91 <= held / 300 <= 0.99
