import math

import pytest

from data.errors import InputError
from data.records import Message
from data.records.examples import PairExample, RatedExample

HELLO: tuple[Message, ...] = ({"role": "user", "content": "hello"},)


def test_an_example_keeps_what_it_is_given() -> None:
    assert PairExample(HELLO, " yes\n", "no").chosen == " yes\n"
    assert PairExample(HELLO, "yes", "no").strength == 1
    assert PairExample(HELLO, "yes", "no", 2.5).strength == 2.5
    assert not RatedExample(HELLO, "yes", desirable=False).desirable


@pytest.mark.parametrize("strength", [0.5, 3.5, math.nan])
def test_a_strength_is_between_1_and_3(strength: float) -> None:
    with pytest.raises(InputError, match="not in 1-3"):
        PairExample(HELLO, "yes", "no", strength)


@pytest.mark.parametrize(
    ("prompt", "chosen", "rejected", "words"),
    [
        (HELLO, " ", "no", "chosen is empty"),
        (HELLO, "yes", "", "rejected is empty"),
        (HELLO, "yes", "yes", "the same"),
        ((), "yes", "no", "no user turn"),
        ((*HELLO, {"role": "assistant", "content": "hi"}), "yes", "no", "no user turn"),
    ],
)
def test_a_pair_without_anything_to_learn_is_none(
    prompt: tuple[Message, ...], chosen: str, rejected: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        PairExample(prompt, chosen, rejected)


def test_a_rated_answer_is_not_empty_and_answers_somebody() -> None:
    with pytest.raises(InputError, match="completion is empty"):
        RatedExample(HELLO, "\n", desirable=True)
    with pytest.raises(InputError, match="no user turn"):
        RatedExample((), "yes", desirable=True)
