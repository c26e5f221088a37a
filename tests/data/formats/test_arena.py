from typing import Any

import pytest

from data.errors import InputError
from data.formats import arena, arena_55k
from data.formats.format import Format
from data.records import Choice, Message
from data.records.judged_pair import JudgedPair, Provenance

SKY: Message = {"role": "user", "content": "What color is the sky?"}
BLUE = {"role": "assistant", "content": "It is blue."}
GREEN = {"role": "assistant", "content": "It is green."}
BATTLE: dict[str, Any] = {
    "question_id": "58210e39b3fd4441a2bd4a518bb44c2d",
    "model_a": "chatglm-6b",
    "model_b": "koala-13b",
    "winner": "model_b",
    "judge": "arena_user_973",
    "conversation_a": [SKY, GREEN],
    "conversation_b": [SKY, BLUE],
    "turn": 1,
    "anony": True,
    "language": "English",
    "tstamp": 1682351591.1322,
    "openai_moderation": {"flagged": False},
    "toxic_chat_tag": {"t5-large": {"flagged": False}},
}
ROW_55K: dict[str, Any] = {
    "id": "30192",
    "model_a": "gpt-4-1106-preview",
    "model_b": "gpt-4-0613",
    "prompt": '["Hi", "What color?"]',
    "response_a": '["Hello!", "Blue."]',
    "response_b": '["Hello!", "Green."]',
    "winner_model_a": "0",
    "winner_model_b": "1",
    "winner_tie": "0",
}


def judged(format_: Format, row: dict[str, Any]) -> JudgedPair:
    [pair] = format_.read(row)
    assert isinstance(pair, JudgedPair)
    return pair


@pytest.mark.parametrize(
    ("winner", "choice"),
    [
        ("model_a", Choice.A),
        ("model_b", Choice.B),
        ("tie", Choice.TIE),
        ("tie (bothbad)", Choice.BOTH_BAD),
        ("both_bad", Choice.BOTH_BAD),
    ],
)
def test_every_winner_is_a_choice(winner: str, choice: Choice) -> None:
    pair = judged(arena.FORMAT, {**BATTLE, "winner": winner})
    assert pair == JudgedPair((SKY,), "It is green.", "It is blue.", choice)


def test_where_a_battle_comes_from_is_read() -> None:
    assert judged(arena.FORMAT, BATTLE).provenance == {
        "a": {"version": "chatglm-6b"},
        "b": {"version": "koala-13b"},
        "annotator": "arena_user_973",
        "language": "English",
        "created_at": "2023-04-24T15:53:11.132200+00:00",
    }


def test_what_is_known_of_it_is_written_and_read_again() -> None:
    provenance = Provenance(
        a={"version": "v2"}, b={"version": "base"}, annotator="quiet-heron", created_at="2026-05-04T03:02:01+00:00"
    )
    [row] = arena.FORMAT.rows(JudgedPair((SKY,), "Blue.", "Green.", Choice.TIE, None, provenance))
    assert judged(arena.FORMAT, dict(row)).provenance == provenance
    assert row["tstamp"] == 1777863721.0


@pytest.mark.parametrize("format_", [arena.FORMAT, arena_55k.FORMAT], ids=lambda format_: format_.name)
def test_what_is_not_known_of_it_is_not_made_up(format_: Format) -> None:
    [row] = format_.rows(JudgedPair((SKY,), "Blue.", "Green."))
    assert judged(format_, dict(row)).provenance == {}


@pytest.mark.parametrize("tstamp", [None, "", "soon", float("nan"), 1e300])
def test_a_time_that_is_none_is_passed_over(tstamp: object) -> None:
    assert "created_at" not in judged(arena.FORMAT, {**BATTLE, "tstamp": tstamp}).provenance


def test_equal_pairs_have_equal_names_and_others_others() -> None:
    pairs = [JudgedPair((SKY,), text, "Green.") for text in ("Blue.", "Blue.", "Gray.")]
    one, same, other = (arena.FORMAT.rows(pair)[0]["question_id"] for pair in pairs)
    assert one == same != other


def test_a_later_file_has_parts_and_texts_of_json() -> None:
    parts = [{"type": "text", "text": "It is ", "image": None}, {"type": "text", "text": "blue."}]
    row = {
        **BATTLE,
        "conversation_a": '[{"role": "user", "content": "What color is the sky?"}, '
        '{"role": "assistant", "content": "It is green."}]',
        "conversation_b": [
            {"role": "user", "content": [{"type": "text", "text": SKY["content"]}]},
            {"role": "assistant", "content": parts, "num_tokens": 3},
        ],
    }
    assert judged(arena.FORMAT, row) == judged(arena.FORMAT, BATTLE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"winner": "both"}, "winner is 'both', none of model_a, model_b, tie"),
        ({"winner": None}, "winner is null, not a text"),
        ({"conversation_a": "{"}, "conversation_a is a text that is no JSON"),
        ({"conversation_a": 3}, "conversation_a is a number, not a list"),
        ({"conversation_a": [SKY, BLUE]}, "the same"),
        ({"conversation_a": [SKY]}, "conversation_a has 0 turns after the shared prompt"),
        ({"conversation_a": [SKY, {"role": "assistant", "content": ""}]}, "assistant turn without text"),
        ({"conversation_a": [SKY, {"role": "assistant", "content": [{"type": "image"}]}]}, "parts that are not text"),
        ({"conversation_a": [SKY, GREEN, SKY, BLUE]}, "conversation_a has 3 turns after the shared prompt, not one"),
        ({"conversation_a": [{"role": "user", "content": "Hi"}, GREEN]}, "share no prompt"),
    ],
)
def test_a_battle_that_is_no_pair_says_why(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        arena.FORMAT.read({**BATTLE, **change})


def test_a_row_of_the_55k_as_a_csv_file_gives_it() -> None:
    pair = judged(arena_55k.FORMAT, ROW_55K)
    assert [turn["content"] for turn in pair.prompt] == ["Hi", "Hello!", "What color?"]
    assert (pair.chosen, pair.rejected) == ("Green.", "Blue.")
    assert pair.provenance == {"a": {"version": "gpt-4-1106-preview"}, "b": {"version": "gpt-4-0613"}}
    lists = {**ROW_55K, "prompt": ["Hi", "What color?"], "response_a": ["Hello!", "Blue."], "winner_model_b": 1}
    assert judged(arena_55k.FORMAT, lists) == pair


def test_a_tie_of_the_55k() -> None:
    row = {**ROW_55K, "winner_model_b": 0, "winner_tie": 1}
    assert judged(arena_55k.FORMAT, row).choice is Choice.TIE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"winner_tie": 1}, "not just one of winner_model_a, winner_model_b, winner_tie is 1"),
        ({"winner_model_b": None}, "not just one"),
        ({"response_a": '["Blue."]'}, "prompt has 2 texts and response_a 1"),
        ({"response_a": '["Hello!", null]'}, "assistant turn without text"),
        ({"response_a": '["Hey!", "Blue."]'}, "response_a has 3 turns after the shared prompt"),
        ({"prompt": "Hi"}, "prompt is a text that is no JSON"),
    ],
)
def test_a_row_of_the_55k_that_is_no_pair_says_why(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        arena_55k.FORMAT.read({**ROW_55K, **change})
