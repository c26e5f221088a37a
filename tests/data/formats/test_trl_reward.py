import pytest

from data.formats import trl_reward
from data.records import Message
from data.records.judged_pair import JudgedPair

SKY: Message = {"role": "user", "content": "What color is the sky?"}


@pytest.mark.parametrize(("strength", "margin"), [(None, 0.0), (1.0, 1.0), (2.5, 2.5), (3, 3.0)])
def test_the_margin_is_the_strength(strength: float | None, margin: float) -> None:
    pair = JudgedPair((SKY,), "Blue.", "Green.", strength=strength)
    [row] = trl_reward.FORMAT.rows(pair)
    assert (row["margin"], type(row["margin"])) == (margin, float)
    assert trl_reward.FORMAT.read(row) == [pair]


@pytest.mark.parametrize("margin", [0, -1.5, 0.3, 7])
def test_a_margin_on_another_scale_says_nothing_of_strength(margin: float) -> None:
    [row] = trl_reward.FORMAT.rows(JudgedPair((SKY,), "Blue.", "Green."))
    assert trl_reward.FORMAT.read({**row, "margin": margin}) == [JudgedPair((SKY,), "Blue.", "Green.")]


@pytest.mark.parametrize(("margin", "strength"), [("3.0", 3.0), ("1", 1.0), ("2.5", 2.5), ("0.0", None), ("-1", None)])
def test_a_csv_file_has_the_margin_as_text(margin: str, strength: float | None) -> None:
    pair = JudgedPair((SKY,), "Blue.", "Green.", strength=strength)
    [row] = trl_reward.FORMAT.rows(pair)
    assert trl_reward.FORMAT.matches({**row, "margin": margin})
    assert trl_reward.FORMAT.read({**row, "margin": margin}) == [pair]


@pytest.mark.parametrize("margin", [None, "much", "nan", "", True])
def test_without_a_number_the_rows_are_those_of_an_implicit_prompt(margin: object) -> None:
    [row] = trl_reward.FORMAT.rows(JudgedPair((SKY,), "Blue.", "Green."))
    assert not trl_reward.FORMAT.matches({**row, "margin": margin})
