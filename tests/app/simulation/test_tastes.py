import math
import random

import pytest

from app.simulation.tastes import Taste, TasteName, brevity, listiness, politeness, prose, ready_made
from data.records import Choice

POLITE = "Of course! Please boil it for six minutes."
CURT = "Obviously this is easy. Boil it."


def test_politeness_prefers_polite_words_and_dislikes_rude_ones() -> None:
    assert politeness(POLITE) > politeness("Boil it for six minutes.") > politeness(CURT)


def test_brevity_prefers_fewer_words() -> None:
    assert brevity("Boil it.") > brevity("Boil it for six minutes.")


def test_listiness_counts_list_lines_of_either_kind() -> None:
    assert listiness("1. Boil.\n- Peel.\nEat - or not.") == 2


def test_prose_prefers_one_paragraph_to_several_and_to_lists() -> None:
    assert prose("Boil it. Peel it.") > prose("Boil it.\n\nPeel it.") > prose("So:\n- Boil it.\n- Peel it.")


def test_choices_follow_bradley_and_terry() -> None:
    taste = Taste(lambda text: float(len(text)), 1)
    source = random.Random(0)

    chosen = [taste.judge("xx", "x", source).choice for _ in range(4000)]

    assert chosen.count(Choice.A) / 4000 == pytest.approx(1 / (1 + math.exp(-1)), abs=0.03)


@pytest.mark.parametrize(
    ("name", "share"), [(TasteName.POLITE, 0.98), (TasteName.INVERTED, 0.02), (TasteName.RANDOM, 0.5)]
)
def test_the_controls_reverse_or_ignore_the_taste(name: TasteName, share: float) -> None:
    source = random.Random(0)

    chosen = [ready_made(name).judge(POLITE, CURT, source).choice for _ in range(1000)]

    assert chosen.count(Choice.A) / 1000 == pytest.approx(share, abs=0.05)


def test_the_measure_is_the_taste_itself_for_the_controls_too() -> None:
    assert [ready_made(name).better(POLITE, CURT) for name in (TasteName.INVERTED, TasteName.RANDOM)] == [1.0, 1.0]
    assert ready_made(TasteName.POLITE).better(CURT, CURT) == 0.5


def test_no_difference_is_a_tie_to_a_faithful_taste() -> None:
    assert ready_made(TasteName.POLITE).judge("Boil it.", "Fry it.", random.Random(0)).choice is Choice.TIE
