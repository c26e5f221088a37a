import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.quality.share import Share, pooled, share, wilson

Z_95, Z_99 = 1.959964, 2.575829


@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_ends_are_where_the_score_test_turns(counts: tuple[int, int]) -> None:
    """Wilson's interval holds all p with |share - p| <= z sqrt(p (1 - p) / n)."""
    found = Share(*counts)
    for confidence, z in ((0.95, Z_95), (0.99, Z_99)):
        for end in found.interval(confidence):
            error = z * math.sqrt(max(0.0, end * (1 - end)) / found.of)
            assert abs(found.value - end) == pytest.approx(error, abs=1e-6)


def test_the_shown_interval_is_of_95_percent() -> None:
    """7 of 10: 0.397 to 0.892, as textbooks have it."""
    assert (Share(7, 10).low, Share(7, 10).high) == pytest.approx((0.397, 0.892), abs=5e-4)


def test_the_interval_is_that_of_newcombes_table() -> None:
    """Newcombe 1998 (Statistics in Medicine 17:857), table I, method 3."""
    for hits, of, ends in ((81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611))):
        assert wilson(hits, of, 0.95) == pytest.approx(ends, abs=5e-5)


def test_what_says_nothing_is_not_counted() -> None:
    assert share([True, None, False, True]) == Share(2, 3)
    assert share([None]) is None


def test_shares_are_pooled_by_their_counts() -> None:
    assert pooled([Share(1, 2), None, Share(3, 4)]) == Share(4, 6)
    assert pooled([None]) is None
