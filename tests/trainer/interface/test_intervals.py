"""The interval of a mean, against another library and by counting how often it is right."""

import random

import pytest
from statsmodels.stats.weightstats import DescrStatsW

from trainer.interface.intervals import interval_of_mean


@pytest.mark.parametrize("count", [2, 7, 40])
def test_it_is_student_s_interval(count: int) -> None:
    source = random.Random(0)
    values = [source.gauss(1, 3) for _ in range(count)]
    found = interval_of_mean(values)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(DescrStatsW(values).tconfint_mean(0.05))


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_values_have_no_interval(count: int) -> None:
    assert interval_of_mean([1.0] * count) is None


@pytest.mark.parametrize("count", [7, 30])
def test_it_holds_the_mean_about_nineteen_times_in_twenty(count: int) -> None:
    source = random.Random(count)
    held = 0
    for _ in range(300):
        found = interval_of_mean([source.gauss(0, 1) for _ in range(count)])
        assert found is not None
        held += found.low <= 0 <= found.high
    assert 0.91 <= held / 300 <= 0.99
