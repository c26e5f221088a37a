from dataclasses import replace

import pytest

from data.records import Choice
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
