import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.support.repetition import distinct, repetition


@pytest.mark.parametrize(
    ("items", "expected"), [([], 0.0), (["a"], 1.0), (["a", "b", "a", "b"], 0.5), ([("a", "b")] * 3, 1 / 3)]
)
def test_distinct_n_is_different_ones_by_all(items: list[object], expected: float) -> None:
    assert distinct(items) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0.0),
        ("one two three", 0.0),
        ("one two three four five", 0.0),
        ("a b c d a b c d", 1 / 5),  # abcd bcda cdab dabc abcd
        ("no no no no no no", 2 / 3),
    ],
)
def test_repetition_is_the_share_of_runs_of_four_that_were_there_before(text: str, expected: float) -> None:
    assert repetition(text.split()) == pytest.approx(expected)


@given(st.lists(st.sampled_from("abc"), max_size=40))
def test_repetition_is_a_share_and_never_falls_when_a_text_is_said_twice(words: list[str]) -> None:
    assert 0 <= repetition(words) <= repetition(words + words) < 1 or not words
