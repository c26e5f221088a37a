import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from data.barring.reading_speed import READING_SPEED
from data.quality.consistency import (
    SKIMMING_SPEED,
    gold_accuracy,
    median_seconds,
    paces,
    repeats,
    too_fast,
)
from data.quality.share import Share
from data.quality.vote import QualityVote
from data.records import Choice, Purpose
from tests.data.quality.crowd import always_left, ballot, items, judged

A, B, TIE, BAD, SKIP = Choice.A, Choice.B, Choice.TIE, Choice.BOTH_BAD, Choice.SKIP


def asked_again(first: Choice, again: Choice) -> list[QualityVote]:
    return [ballot(choice=first), replace(ballot(choice=again, number=1), purpose=Purpose.REASK)]


def timed(*seconds: float | None) -> list[QualityVote]:
    return [replace(ballot(), elapsed_ms=None if time is None else int(1000 * time)) for time in seconds]


@pytest.mark.parametrize(
    ("first", "again", "found"),
    [
        (A, A, Share(1, 1)),
        (A, B, Share(0, 1)),
        (A, TIE, Share(0, 1)),
        (TIE, BAD, Share(1, 1)),
        (A, SKIP, None),
        (SKIP, A, None),
    ],
)
def test_a_repeat_is_alike_if_the_same_one_wins(first: Choice, again: Choice, found: Share | None) -> None:
    assert repeats(asked_again(first, again)) == found


def test_another_persons_word_is_no_repeat() -> None:
    assert repeats([ballot(1), ballot(2)]) is None


def test_somebody_who_takes_one_side_never_repeats_himself() -> None:
    cast = judged(Random(1), 1, always_left, items(Random(1), 30), again=12)
    assert repeats(cast) == Share(0, 12)


def test_gold_counts_where_it_is_known_and_something_is_said() -> None:
    cast = [replace(ballot(choice=choice), gold=A) for choice in (A, B, TIE, SKIP)]
    assert gold_accuracy([*cast, ballot(choice=B)]) == Share(1, 3)


def test_reading_speed_is_the_published_one() -> None:
    assert round(READING_SPEED) == 23


@pytest.mark.parametrize(("factor", "fast"), [(1.01, Share(0, 1)), (0.99, Share(1, 1))])
def test_faster_than_skimming_is_too_fast(factor: float, fast: Share) -> None:
    """The two answers have 700 characters."""
    assert too_fast(timed(factor * 700 / SKIMMING_SPEED)) == fast


def test_a_time_unknown_is_not_too_fast() -> None:
    assert too_fast(timed(None)) is None
    assert median_seconds(timed(None)) is None


def test_the_median_is_in_seconds() -> None:
    assert median_seconds(timed(3, None, 40, 5)) == 5.0


def paced(*people: Sequence[float]) -> dict[int, float]:
    return paces((number, timed(*seconds)) for number, seconds in enumerate(people))


def test_a_pace_is_in_robust_deviations_of_all() -> None:
    """The median of all logs is log 8, and that of their distances log 2."""
    found = paced([4, 8, 16], [2, 4, 8, 16, 32], [4])
    assert found == pytest.approx({0: 0.0, 1: 0.0, 2: -1 / 1.4826})


def test_one_who_races_barely_moves_the_others() -> None:
    source = Random(1)
    usual = [[source.lognormvariate(math.log(30), 0.5) for _ in range(100)] for _ in range(4)]
    found = paced(*usual, [1.0] * 100)
    assert found[4] < -4
    assert max(abs(found[number]) for number in range(4)) < 1


def test_equal_times_have_no_pace() -> None:
    assert paced([5, 5], [5]) == {}
    assert paced() == {}
