import math
import random
from statistics import fmean

import numpy as np
import pytest
import statsmodels.api as sm

from data.versions.bradley_terry import ELO, ranking, wins

Result = tuple[str, str, str | None]


def games(wins: int, losses: int, a: str = "v1", b: str = "base") -> list[Result]:
    won, lost = (a, b, a), (a, b, b)
    return [*[won] * wins, *[lost] * losses]


def of(results: list[Result]) -> dict[str, tuple[float, float, float]]:
    rungs = {rung.version: rung for rung in ranking(results, "base")}
    return {name: (rung.elo or 0.0, rung.low or 0.0, rung.high or 0.0) for name, rung in rungs.items()}


def test_two_versions_differ_by_the_log_odds() -> None:
    assert of(games(6400, 3600))["v1"][0] == pytest.approx(ELO * math.log(64 / 36), rel=1e-3)


def test_ten_to_one_is_four_hundred_points() -> None:
    assert of(games(10_000, 1000))["v1"][0] == pytest.approx(400, rel=1e-2)


def test_a_tie_is_half_a_win_for_each() -> None:
    ties: list[Result] = [("v1", "base", None)] * 200
    assert of(ties + games(300, 100))["v1"] == pytest.approx(of(games(400, 200))["v1"])


def test_several_versions_are_as_logistic_regression_has_them() -> None:
    """statsmodels' Logit without a prior, on so many votes that ours is hardly felt."""
    source, truth = random.Random(0), {"base": 0.0, "v1": 0.4, "v2": 0.1, "v3": -0.3}
    results: list[Result] = []
    for _ in range(20_000):
        a, b = source.sample(list(truth), 2)
        results.append((a, b, a if source.random() < 1 / (1 + math.exp(truth[b] - truth[a])) else b))
    names = ["v1", "v2", "v3"]
    design = np.array([[(a == name) - (b == name) for name in names] for a, b, _ in results], dtype=float)
    fitted = sm.Logit(np.array([won == a for a, _, won in results], dtype=float), design).fit(disp=0)
    for at, name in enumerate(names):
        low, high = (float(end) * ELO for end in fitted.conf_int()[at])
        assert of(results)[name] == pytest.approx((fitted.params[at] * ELO, low, high), abs=0.5)


def test_the_strongest_comes_first_and_the_anchor_stands_at_nought() -> None:
    rungs = ranking([*games(70, 30), *games(40, 60, "v2"), *games(60, 40, "v3", "v1")], "base")
    assert [rung.version for rung in rungs] == ["v3", "v1", "base", "v2"]
    anchor = rungs[2]
    assert (anchor.elo, anchor.low, anchor.high, anchor.votes) == (0, 0, 0, 200)


def test_who_has_won_everything_stays_finite_and_uncertain() -> None:
    elo, low, high = of(games(20, 0))["v1"]
    assert 0 < low < elo < high < 3000


def test_who_never_met_the_others_cannot_be_compared() -> None:
    rungs = ranking([*games(7, 3), *games(9, 1, "v8", "v9")], "base")
    assert [(rung.version, rung.elo is None) for rung in rungs[-2:]] == [("v8", True), ("v9", True)]
    assert all(rung.votes == 10 for rung in rungs)


def test_without_votes_there_is_the_anchor_alone() -> None:
    [rung] = ranking([], "base")
    assert (rung.version, rung.elo, rung.votes) == ("base", 0, 0)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = []
    for seed in range(200):
        source = random.Random(seed)
        wins = sum(source.random() < 0.6 for _ in range(100))
        _, low, high = of(games(wins, 100 - wins))["v1"]
        held.append(low <= ELO * math.log(0.6 / 0.4) <= high)
    assert fmean(held) == pytest.approx(0.95, abs=0.04)


def test_points_are_shares_of_pairs_won() -> None:
    assert wins(0) == 0.5
    assert wins(400) == pytest.approx(10 / 11)
    assert wins(-400) == pytest.approx(1 / 11)
