from random import Random

import pytest
from scipy import stats

from data.quality.consensus import consensus
from data.quality.reliability import reliability
from data.quality.vote_table import by_annotator
from tests.data.quality.crowd import EASY, HARD, careful, crowd, items


@pytest.mark.parametrize(("right", "wrong"), [(0, 5), (3, 3), (40, 10), (200, 2)])
def test_against_gold_it_is_a_beta_distribution(right: int, wrong: int) -> None:
    found = reliability([1.0] * right + [0.0] * wrong)
    exact = stats.beta(4 + right, 2 + wrong)
    assert found is not None
    assert found.value == pytest.approx(exact.mean(), abs=0.003)
    assert (found.low, found.high) == pytest.approx(exact.interval(0.95), abs=0.006)
    assert found.interval(0.99) == pytest.approx(exact.interval(0.99), abs=0.006)
    assert found.of == right + wrong


def test_others_at_odds_tell_nothing() -> None:
    found, none = reliability([0.5] * 50), stats.beta(4, 2)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(none.interval(0.95), abs=0.006)


def test_unsure_others_tell_less() -> None:
    sure, unsure = reliability([0.99] * 30), reliability([0.7] * 30)
    assert sure is not None
    assert unsure is not None
    assert sure.low > unsure.low


def test_no_others_no_reliability() -> None:
    assert reliability([None, None]) is None


def test_the_interval_mostly_holds_the_planted_one() -> None:
    """Others are not as reliable as they seem and items differ, so not quite 95 %."""
    planted, inside, people = (EASY + HARD) / 2, 0, 0
    for seed in range(40):
        source = Random(seed)
        cast = crowd(source, dict.fromkeys(range(4), careful), items(source, 60, gold=6))
        agreed = consensus(cast)
        for _, own in by_annotator(cast):
            found = reliability(agreed.support(one) for one in own)
            assert found is not None
            people += 1
            inside += found.low < planted < found.high
    assert inside > 0.85 * people
