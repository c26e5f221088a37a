from dataclasses import replace

import pytest

from data.quality.ballot import by_annotator, by_item, first_words, in_order
from data.records import Choice, Purpose
from tests.data.quality.crowd import ballot


@pytest.mark.parametrize(
    ("choice", "swapped", "left"),
    [
        (Choice.A, False, True),
        (Choice.A, True, False),
        (Choice.B, False, False),
        (Choice.B, True, True),
        (Choice.TIE, True, None),
        (Choice.SKIP, False, None),
    ],
)
def test_the_left_side_is_the_one_shown_there(choice: Choice, swapped: bool, left: bool | None) -> None:
    assert replace(ballot(choice=choice), swapped=swapped).left is left


@pytest.mark.parametrize(
    ("choice", "lengths", "longer"),
    [
        (Choice.A, (9, 3), True),
        (Choice.B, (9, 3), False),
        (Choice.B, (3, 9), True),
        (Choice.A, (5, 5), None),
        (Choice.BOTH_BAD, (9, 3), None),
    ],
)
def test_the_longer_answer_wins_or_not(choice: Choice, lengths: tuple[int, int], longer: bool | None) -> None:
    assert replace(ballot(choice=choice), length_a=lengths[0], length_b=lengths[1]).longer is longer


def test_lengths_are_told_as_shown() -> None:
    assert replace(ballot(), swapped=True).shown_lengths == (300, 400)


def test_a_first_word_is_the_earliest_that_says_something() -> None:
    skip, first = ballot(choice=Choice.SKIP, number=1), ballot(choice=Choice.TIE, number=2)
    again = replace(ballot(number=3), purpose=Purpose.REASK)
    somebody = ballot(annotator_id=2, number=4)
    assert first_words([again, somebody, first, skip]) == (first, somebody)


def test_order_is_that_of_time() -> None:
    late, early = ballot(number=1), replace(ballot(number=2), created_at=5)
    assert in_order([late, early, ballot(choice=Choice.RETRACTED)]) == [early, late]


def test_ballots_are_grouped() -> None:
    one, two, three = ballot(2, 1), ballot(1, 1), ballot(1, 2)
    assert by_item([one, two, three]) == {1: [one, two], 2: [three]}
    assert list(by_annotator([one, two, three]).items()) == [(1, [two, three]), (2, [one])]
