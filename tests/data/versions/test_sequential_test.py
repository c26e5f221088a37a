import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta

from data.versions.sequential_test import PRIOR, THRESHOLD, Evidence, SequentialOutcome, course

counts = st.integers(0, 200)


def by_quadrature(wins: int, losses: int) -> float:
    """The mean likelihood ratio over the upper half of the prior, integrated numerically."""

    def ratio(p: float) -> float:
        return 2 * math.exp(beta.logpdf(p, PRIOR, PRIOR) + wins * math.log(2 * p) + losses * math.log(2 * (1 - p)))

    peak = (PRIOR + wins - 1) / (2 * PRIOR + wins + losses - 2)
    return float(quad(ratio, 0.5, 1, points=[min(max(peak, 0.5001), 0.9999)], limit=500)[0])


@pytest.mark.parametrize("votes", [(0, 0), (1, 0), (0, 1), (10, 3), (3, 10), (60, 40), (40, 60), (300, 200), (0, 5000)])
def test_the_e_value_is_the_mean_likelihood_ratio(votes: tuple[int, int]) -> None:
    assert Evidence(*votes).better == pytest.approx(by_quadrature(*votes), rel=1e-9)


@given(counts, counts)
def test_what_is_better_for_one_is_worse_for_the_other(wins: int, losses: int) -> None:
    assert Evidence(wins, losses).better == Evidence(losses, wins).worse


@given(counts, counts)
def test_a_fair_coin_s_e_value_stays_one_on_average(wins: int, losses: int) -> None:
    """The value now is the mean of the two it can become: a martingale, so Ville's inequality holds."""
    after = (Evidence(wins + 1, losses).better + Evidence(wins, losses + 1).better) / 2
    assert after == pytest.approx(Evidence(wins, losses).better, rel=1e-9)


@given(counts, counts, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_interval_holds_the_win_rate_and_grows_with_confidence(wins: int, losses: int, confidence: float) -> None:
    evidence = Evidence(wins, losses)
    low, high = evidence.interval(confidence)
    assert 0 <= low <= (0.5 if evidence.win_rate is None else evidence.win_rate) <= high <= 1
    wider = evidence.interval(confidence + 0.005)
    assert wider[0] <= low + 1e-9
    assert wider[1] >= high - 1e-9


@pytest.mark.parametrize("end", [0, 1])
def test_the_interval_ends_where_the_mixture_is_twenty_times_likelier(end: int) -> None:
    rate = Evidence(60, 40).interval(0.95)[end]

    def ratio(p: float) -> float:
        return float(beta.pdf(p, PRIOR, PRIOR)) * (p / rate) ** 60 * ((1 - p) / (1 - rate)) ** 40

    assert quad(ratio, 0, 1)[0] == pytest.approx(20, rel=1e-6)


def test_without_votes_nothing_is_known() -> None:
    nothing = Evidence(0, 0)
    assert (nothing.win_rate, nothing.better, nothing.worse, nothing.interval()) == (None, 1.0, 1.0, (0.0, 1.0))
    assert nothing.outcome is SequentialOutcome.OPEN


def test_votes_settle_it_once_the_e_value_is_twenty() -> None:
    ways = course([True] * 40)
    first = next(evidence for evidence in ways if evidence.outcome is SequentialOutcome.BETTER)
    assert first.better >= THRESHOLD > Evidence(first.wins - 1, 0).better
    assert Evidence(0, first.wins).outcome is SequentialOutcome.WORSE


def test_many_votes_are_counted_exactly() -> None:
    assert Evidence(500_000, 500_000).better == pytest.approx(0.004848170934, rel=1e-6)
    assert Evidence(1_000_000, 0).outcome is SequentialOutcome.BETTER
    low, high = Evidence(500_000, 500_000).interval()
    assert high - low == pytest.approx(0.00408, rel=0.01)


def test_equal_versions_are_seldom_found_different_however_often_one_looks() -> None:
    """1,000 trials of 500 votes with a look after each: at most 5 % are ever found better."""
    votes = np.arange(1, 501)
    wins = np.cumsum(np.random.default_rng(0).random((1000, 500)) < 0.5, axis=1)
    least = [next((w for w in range(n + 1) if Evidence(w, n - w).better >= THRESHOLD), n + 1) for n in votes.tolist()]
    assert (wins >= np.array(least)).any(axis=1).mean() <= 0.05


def test_the_course_has_each_vote() -> None:
    assert course([True, False, True]) == (Evidence(1, 0), Evidence(1, 1), Evidence(2, 1))
    assert course([]) == ()
