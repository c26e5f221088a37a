import pytest

from app.simulation.measure import MeasuredAnswer, win
from app.simulation.tastes import TasteName, ready_made

BRIEF = ready_made(TasteName.BRIEF)
SHORT = MeasuredAnswer("Boil it.", 4, cut_off=False)
LONG = MeasuredAnswer("Boil it for six minutes, then let it rest in cold water.", 14, cut_off=False)


def test_of_two_good_answers_the_taste_decides() -> None:
    assert (win(BRIEF, SHORT, LONG), win(BRIEF, LONG, SHORT), win(BRIEF, SHORT, SHORT)) == (1.0, 0.0, 0.5)


@pytest.mark.parametrize(
    "failed",
    [
        MeasuredAnswer("Boil", 1, cut_off=True),
        MeasuredAnswer(" ", 1, cut_off=False),
        MeasuredAnswer("no no no no no no", 6, cut_off=False),
    ],
    ids=["cut off", "empty", "repeats itself"],
)
def test_an_answer_that_failed_loses_whatever_the_taste(failed: MeasuredAnswer) -> None:
    assert (win(BRIEF, failed, LONG), win(BRIEF, LONG, failed)) == (0.0, 1.0)
    assert win(BRIEF, failed, failed) == 0.5


def test_ordinary_prose_does_not_repeat_itself() -> None:
    prose = "Put the egg in cold water and bring the water to a boil. Let it boil for six minutes and take it out."
    assert not MeasuredAnswer(prose, 24, cut_off=False).failed
