import pytest

from data.errors import InputError
from data.formats.openai import FORMAT

ANSWERS = {
    "preferred_output": [{"role": "assistant", "content": "Blue."}],
    "non_preferred_output": [{"role": "assistant", "content": "Green."}],
}
SKY = {"role": "user", "content": "What color is the sky?"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"input": None, **ANSWERS}, "input is null, not an object"),
        ({"input": {}, **ANSWERS}, "messages is missing"),
        ({"input": {"messages": [SKY], "tools": [{"type": "function"}]}, **ANSWERS}, "input has tools"),
        ({"input": {"messages": [{"role": "tool", "content": "x"}]}, **ANSWERS}, "role 'tool'"),
        ({"input": {"messages": [SKY]}, **ANSWERS, "preferred_output": []}, "preferred_output has 0 turns"),
        (
            {"input": {"messages": [SKY]}, **ANSWERS, "preferred_output": [{"role": "assistant", "tool_calls": []}]},
            "preferred_output: an assistant turn without text|preferred_output: a assistant turn without text",
        ),
    ],
)
def test_a_row_that_is_no_pair_of_texts_says_why(row: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        FORMAT.read(row)


def test_a_row_holds_nothing_but_what_openai_documents() -> None:
    [row] = FORMAT.rows(next(iter(FORMAT.read({"input": {"messages": [SKY]}, **ANSWERS}))))  # type: ignore[arg-type]
    assert row == {"input": {"messages": [SKY], "tools": [], "parallel_tool_calls": True}, **ANSWERS}
    assert not FORMAT.open
