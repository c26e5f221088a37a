import pytest

from data.errors import InputError
from data.formats import trl_implicit


def conversation(*texts: str) -> list[dict[str, str]]:
    return [{"role": "assistant" if index % 2 else "user", "content": text} for index, text in enumerate(texts)]


def test_the_shared_turns_are_the_prompt() -> None:
    system = {"role": "system", "content": "Be brief."}
    [pair] = trl_implicit.read(
        {
            "chosen": [system, *conversation("a", "b", "c", "d")],
            "rejected": [system, *conversation("a", "b", "c", "e")],
        }
    )
    assert pair.prompt == (system, *conversation("a", "b", "c"))
    assert (pair.chosen, pair.rejected) == ("d", "e")


def test_a_text_prompt_that_says_the_same_once_more_is_passed_over() -> None:
    row = {"prompt": "a", "chosen": conversation("a", "b"), "rejected": conversation("a", "c")}
    assert trl_implicit.FORMAT.matches(row)
    assert trl_implicit.read(row)[0].prompt == tuple(conversation("a"))


@pytest.mark.parametrize("prompt", ["a", conversation("a")])
def test_an_answer_to_an_explicit_prompt_is_another_format(prompt: object) -> None:
    row = {"prompt": prompt, "chosen": conversation("", "b")[1:], "rejected": conversation("", "c")[1:]}
    assert not trl_implicit.FORMAT.matches(row)


@pytest.mark.parametrize(
    ("chosen", "rejected", "words"),
    [
        (["a", "b"], ["a", "b"], "the same"),
        (["a", "b"], ["c", "b"], "share no prompt"),
        (["a", "b", "c", "d"], ["a", "e", "c", "d"], "chosen has 3 turns after the shared prompt"),
        (["a", "b"], ["a"], "rejected has 0 turns"),
        (["a", "b", "c"], ["a", "b", "d"], "ends with a user turn, this one with assistant"),
        (["a", ""], ["a", "b"], "chosen: .*without text"),
        ([], ["a", "b"], "share no prompt"),
    ],
)
def test_a_row_that_cannot_be_split_says_why(chosen: list[str], rejected: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        trl_implicit.read({"chosen": conversation(*chosen), "rejected": conversation(*rejected)})
