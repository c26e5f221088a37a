import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from data.errors import InputError
from data.formats.preference_file import PreferenceFile, read_preferences
from data.formats.registry import FORMATS
from data.records import Message
from data.records.examples import PairExample, RatedExample
from tests.data.formats.test_arena import BATTLE

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"

SKY: tuple[Message, ...] = ({"role": "user", "content": "What color is the sky?"},)
ROUNDS: tuple[Message, ...] = (
    {"role": "user", "content": "human instruction"},
    {"role": "assistant", "content": "model response"},
    {"role": "user", "content": "human instruction"},
)
BLUE = {"role": "assistant", "content": "It is blue."}
GREEN = {"role": "assistant", "content": "It is green."}
SHAREGPT: dict[str, Any] = {
    "conversations": [
        {"from": "human", "value": "human instruction"},
        {"from": "gpt", "value": "model response"},
        {"from": "human", "value": "human instruction"},
    ],
    "chosen": {"from": "gpt", "value": "chosen answer (required)"},
    "rejected": {"from": "gpt", "value": "rejected answer (required)"},
}
ALPACA = {
    "instruction": "human instruction (required)",
    "input": "human input (optional)",
    "chosen": "chosen answer (required)",
    "rejected": "rejected answer (required)",
}
EXPLICIT = {"prompt": list(SKY), "chosen": [BLUE], "rejected": [GREEN]}
HH = {"chosen": "\n\nHuman: What color?\n\nAssistant: blue", "rejected": "\n\nHuman: What color?\n\nAssistant: green"}
RATED = {"messages": [*SKY, BLUE], "label": True}
OPENAI = {
    "input": {
        "messages": [{"role": "user", "content": "Hello, can you tell me how cold San Francisco is today?"}],
        "tools": [],
        "parallel_tool_calls": True,
    },
    "preferred_output": [{"role": "assistant", "content": "Today in San Francisco, it is not quite cold as expected."}],
    "non_preferred_output": [{"role": "assistant", "content": "It is not particularly cold in San Francisco today."}],
}
# Argilla's Settings.for_ranking, as its records.to_json exports it.
ARGILLA: dict[str, Any] = {
    "id": "train_1",
    "fields": {"instruction": "What color is the sky?", "response1": "It is green.", "response2": "It is blue."},
    "metadata": {},
    "suggestions": {"ranking": {"value": ["response1", "response2"], "score": None, "agent": "m"}},
    "responses": {"ranking": [{"value": ["response2", "response1"], "user_id": "0b6e"}]},
    "vectors": {},
    "_server_id": "5f2c",
}
BATTLE_55K: dict[str, Any] = {
    "id": "30192",
    "model_a": "gpt-4-1106-preview",
    "model_b": "gpt-4-0613",
    "prompt": '["What color is the sky?"]',
    "response_a": '["It is blue."]',
    "response_b": '["It is green."]',
    "winner_model_a": 1,
    "winner_model_b": 0,
    "winner_tie": 0,
}
PREFLOOP = {
    "format": "prefloop/1",
    "prompt": list(SKY),
    "a": {"text": "It is blue.", "version": "base", "seed": 7, "token_ids": [5, 6], "logprobs": [-0.5, -1]},
    "b": {"text": "It is green."},
    "choice": "a",
    "strength": 2.0,
    "annotator": "quiet-heron",
}

# As in TRL's "Dataset formats and types", LLaMA-Factory's data/README.md, Axolotl's rlhf.qmd, OpenAI's guide to DPO and
# the first rows of the arena's datasets.
DOCUMENTED: list[tuple[str, Mapping[str, object], PairExample | RatedExample]] = [
    ("trl", EXPLICIT, PairExample(SKY, "It is blue.", "It is green.")),
    (
        "trl",
        {"prompt": "The sky is", "chosen": " blue.", "rejected": " green."},
        PairExample(({"role": "user", "content": "The sky is"},), " blue.", " green."),
    ),
    (
        "trl-implicit",
        {"chosen": [*SKY, BLUE], "rejected": [*SKY, GREEN]},
        PairExample(SKY, "It is blue.", "It is green."),
    ),
    (
        "trl-unpaired",
        {"prompt": "The sky is", "completion": " blue.", "label": True},
        RatedExample(({"role": "user", "content": "The sky is"},), " blue.", desirable=True),
    ),
    (
        "trl-unpaired",
        {"prompt": list(SKY), "completion": [GREEN], "label": False},
        RatedExample(SKY, "It is green.", desirable=False),
    ),
    (
        "trl-implicit-text",
        {"chosen": "The sky is blue.", "rejected": "The sky is green."},
        PairExample(({"role": "user", "content": "The sky is"},), " blue.", " green."),
    ),
    (
        "trl-reward",
        {"chosen": [*SKY, BLUE], "rejected": [*SKY, GREEN], "margin": 2.5},
        PairExample(SKY, "It is blue.", "It is green.", 2.5),
    ),
    (
        "openai",
        OPENAI,
        PairExample(
            ({"role": "user", "content": "Hello, can you tell me how cold San Francisco is today?"},),
            "Today in San Francisco, it is not quite cold as expected.",
            "It is not particularly cold in San Francisco today.",
        ),
    ),
    (
        "axolotl",
        {"messages": list(SKY), "chosen": BLUE, "rejected": GREEN},
        PairExample(SKY, "It is blue.", "It is green."),
    ),
    ("arena", BATTLE, PairExample(SKY, "It is blue.", "It is green.")),
    ("arena-55k", BATTLE_55K, PairExample(SKY, "It is blue.", "It is green.")),
    ("argilla", ARGILLA, PairExample(SKY, "It is blue.", "It is green.")),
    ("prefloop", PREFLOOP, PairExample(SKY, "It is blue.", "It is green.", 2.0)),
    (
        "alpaca-kto",
        {"instruction": "human instruction", "input": "", "output": "model response", "kto_tag": True},
        RatedExample(ROUNDS[:1], "model response", desirable=True),
    ),
    (
        "sharegpt-kto",
        {"conversations": [*SHAREGPT["conversations"], SHAREGPT["rejected"]], "kto_tag": False},
        RatedExample(ROUNDS, "rejected answer (required)", desirable=False),
    ),
    ("hh-rlhf", HH, PairExample(({"role": "user", "content": "What color?"},), "blue", "green")),
    ("rated-messages", RATED, RatedExample(SKY, "It is blue.", desirable=True)),
    ("sharegpt-ranking", SHAREGPT, PairExample(ROUNDS, "chosen answer (required)", "rejected answer (required)")),
    (
        "alpaca-ranking",
        ALPACA,
        PairExample(
            ({"role": "user", "content": "human instruction (required)\nhuman input (optional)"},),
            "chosen answer (required)",
            "rejected answer (required)",
        ),
    ),
]


def read(directory: Path, *rows: object) -> PreferenceFile:
    path = directory / "p.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return read_preferences(path)


@pytest.mark.parametrize(("name", "row", "example"), DOCUMENTED)
def test_a_row_as_its_project_documents_it(
    tmp_path: Path, name: str, row: Mapping[str, object], example: PairExample | RatedExample
) -> None:
    file = read(tmp_path, row)
    assert (file.format, file.unit, file.pairs + file.rated, file.skipped) == (name, "line", [example], [])
    assert isinstance(example, PairExample) == bool(file.pairs)


# The rows of these are known as those of others.
WRITTEN_ONLY = {"trl-text", "trl-unpaired-text", "openrlhf"}


def test_every_format_has_a_documented_row() -> None:
    assert {name for name, _, _ in DOCUMENTED} | WRITTEN_ONLY == {format_.name for format_ in FORMATS}


def test_the_docs_list_every_format_with_its_keys() -> None:
    docs = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    for format_ in FORMATS:
        [line] = [line for line in docs.splitlines() if line.startswith(f"| `{format_.name}` |")]
        assert [key for key in format_.keys if f"`{key}`" not in line] == []


@pytest.mark.parametrize(("name", "row", "example"), DOCUMENTED)
def test_other_keys_do_not_change_the_format(
    tmp_path: Path, name: str, row: Mapping[str, object], example: object
) -> None:
    other = {"score_chosen": 8.5, "source": "x", "images": None, "tools": [], "id": 3}
    file = read(tmp_path, {**other, **row})
    assert (file.format, file.pairs + file.rated) == (name, [example])


def test_ultrafeedback_has_the_prompt_twice_and_the_chosen_messages_once_more(tmp_path: Path) -> None:
    chosen = [*SKY, BLUE]
    row = {"prompt": "What color is the sky?", "chosen": chosen, "rejected": [*SKY, GREEN], "messages": chosen}
    file = read(tmp_path, row)
    assert (file.format, file.pairs) == ("trl-implicit", [PairExample(SKY, "It is blue.", "It is green.")])


def test_a_system_message_is_kept_whether_cell_or_turn(tmp_path: Path) -> None:
    system: Message = {"role": "system", "content": "Be brief."}
    turn = {**SHAREGPT, "conversations": [{"from": "system", "value": "Be brief."}, *SHAREGPT["conversations"]]}
    both = {**turn, "system": "Be long."}
    cell = {**SHAREGPT, "system": "Be brief."}
    assert [pair.prompt for pair in read(tmp_path, turn, both, cell).pairs] == [(system, *ROUNDS)] * 3
    explicit = {**EXPLICIT, "prompt": [system, *SKY]}
    assert read(tmp_path, explicit).pairs[0].prompt == (system, *SKY)
    assert read(tmp_path, {"messages": [system, *SKY, BLUE], "label": True}).rated[0].prompt == (system, *SKY)


def test_an_alpaca_row_with_history_and_system(tmp_path: Path) -> None:
    row = {
        **ALPACA,
        "instruction": "human instruction",
        "input": "",
        "history": [["human instruction", "model response"]],
        "system": "Be brief.",
    }
    file = read(tmp_path, row, {**row, "system": None, "input": None, "history": None})
    assert [pair.prompt for pair in file.pairs] == [
        ({"role": "system", "content": "Be brief."}, *ROUNDS),
        ROUNDS[:1],
    ]


@pytest.mark.parametrize(
    ("good", "bad", "words"),
    [
        (EXPLICIT, {"prompt": list(SKY), "chosen": [BLUE]}, "rejected is missing"),
        (EXPLICIT, {**EXPLICIT, "prompt": 3}, "prompt is a number, not a list of turns"),
        (EXPLICIT, {**EXPLICIT, "prompt": []}, "prompt: a conversation without a turn"),
        (EXPLICIT, {**EXPLICIT, "prompt": [*SKY, BLUE]}, "prompt: a conversation ends with a user turn"),
        (EXPLICIT, {**EXPLICIT, "prompt": [{"role": "tool", "content": "x"}]}, "prompt: role 'tool'"),
        (EXPLICIT, {**EXPLICIT, "prompt": ""}, "prompt: a user turn without text"),
        (EXPLICIT, {**EXPLICIT, "chosen": None}, "chosen: a turn is an object"),
        (EXPLICIT, {**EXPLICIT, "chosen": " "}, "chosen is empty"),
        (EXPLICIT, {**EXPLICIT, "rejected": [{"role": "assistant", "content": ""}]}, "rejected is empty"),
        (EXPLICIT, {**EXPLICIT, "chosen": [BLUE, *SKY]}, "chosen has 2 turns"),
        (EXPLICIT, {**EXPLICIT, "chosen": list(SKY)}, "chosen is said by user"),
        (EXPLICIT, {**EXPLICIT, "chosen": "\ud800"}, "chosen: .*surrogate"),
        (EXPLICIT, {**EXPLICIT, "rejected": [BLUE]}, "the same"),
        (EXPLICIT, {**EXPLICIT, "images": ["sky.png"]}, "it has images"),
        (EXPLICIT, RATED, "prompt is missing"),
        (EXPLICIT, 3, "a number, not an object"),
        (EXPLICIT, None, "null, not an object"),
        (EXPLICIT, [EXPLICIT], "a list, not an object"),
        (HH, {"chosen": "x"}, "rejected is missing"),
        (HH, {**HH, "rejected": None}, "rejected is null, not a text"),
        (SHAREGPT, {**SHAREGPT, "conversations": "x"}, "conversations is a text, not a list of turns"),
        (SHAREGPT, {**SHAREGPT, "system": 3}, "system is a number, not a text"),
        (SHAREGPT, {**SHAREGPT, "chosen": {"from": "human", "value": "x"}}, "chosen is said by user"),
        (ALPACA, {**ALPACA, "instruction": None}, "instruction is null, not a text"),
        (ALPACA, {**ALPACA, "instruction": "", "input": ""}, "instruction: a user turn without text"),
        (ALPACA, {**ALPACA, "history": "x"}, "history is a text, not a list"),
        (ALPACA, {**ALPACA, "history": [["x"]]}, "no pair of question and answer"),
        (RATED, {**RATED, "label": 1}, "label is a number, neither true nor false"),
        (RATED, {**RATED, "messages": []}, "messages is empty"),
        (RATED, {**RATED, "messages": list(SKY)}, "messages before the last: a conversation without a turn"),
        (RATED, {**RATED, "messages": [*SKY, *SKY]}, "the last of messages is said by user"),
        (RATED, {**RATED, "messages": [*SKY, BLUE, BLUE]}, "messages before the last: .* ends with a user turn"),
        (DOCUMENTED[3][1], {**DOCUMENTED[3][1], "label": "true"}, "label is a text"),
        (DOCUMENTED[3][1], {**DOCUMENTED[3][1], "completion": ""}, "completion is empty"),
    ],
)
def test_a_bad_row_is_skipped_with_its_number_and_reason(tmp_path: Path, good: object, bad: object, words: str) -> None:
    file = read(tmp_path, good, bad, good)
    assert len(file.pairs + file.rated) == 2
    [(number, reason)] = file.skipped
    assert number == 2
    with pytest.raises(InputError, match=words):
        raise InputError(reason)


def test_a_bad_first_row_does_not_hide_the_format(tmp_path: Path) -> None:
    file = read(tmp_path, 3, {"prompt": "x"}, EXPLICIT)
    assert (file.format, len(file.pairs), [number for number, _ in file.skipped]) == ("trl", 1, [1, 2])


def test_a_file_without_a_good_row_is_refused_with_the_first_reason(tmp_path: Path) -> None:
    bad = {**EXPLICIT, "rejected": [BLUE]}
    with pytest.raises(
        InputError, match=r"p\.jsonl: read as trl, none of its 2 rows can train; line 1: .*the same; mend"
    ):
        read(tmp_path, bad, bad)
    with pytest.raises(InputError, match=r"read as hh-rlhf, .*share no prompt"):
        read(tmp_path, {**HH, "rejected": "\n\nHuman: Which color?\n\nAssistant: green"})


@pytest.mark.parametrize("key", ["question", "input", "context"])
def test_two_texts_that_answer_a_prompt_elsewhere_are_no_implicit_prompt(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match="no format that is known"):
        read(tmp_path, {key: "What color is the sky?", "chosen": "It is blue.", "rejected": "It is green."})


def test_a_tie_is_skipped_with_a_reason(tmp_path: Path) -> None:
    file = read(tmp_path, BATTLE, {**BATTLE, "winner": "tie"})
    assert (len(file.pairs), file.rated) == (1, [])
    assert file.skipped == [(2, "a tie, from which nothing can be learnt")]


def test_both_bad_is_two_bad_answers(tmp_path: Path) -> None:
    file = read(tmp_path, {**BATTLE, "winner": "tie (bothbad)"})
    assert (file.pairs, file.skipped) == ([], [])
    assert file.rated == [RatedExample(SKY, "It is green.", False), RatedExample(SKY, "It is blue.", False)]


def test_every_response_to_a_record_is_an_example(tmp_path: Path) -> None:
    said = [{"value": value, "user_id": str(number)} for number, value in enumerate(["response1", "tie", "2"])]
    file = read(tmp_path, {**ARGILLA, "responses": {"label": said}})
    assert [pair.chosen for pair in file.pairs] == ["It is green.", "It is blue."]
    assert file.skipped == []


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"question": "x", "score": 3}, r"question \(a text\), score \(a number\)"),
        ({"chosen": None, "rejected": []}, r"chosen \(null\), rejected \(a list\)"),
        ({}, "an object without a key"),
        ([1], "a list where an object should be"),
    ],
)
def test_an_unknown_format_is_refused_with_the_keys_found_and_those_known(
    tmp_path: Path, row: object, found: str
) -> None:
    with pytest.raises(InputError, match=rf"p\.jsonl, line 1: .*found {found}\..* hh-rlhf: chosen, rejected"):
        read(tmp_path, row)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no row"):
        read(tmp_path)


def test_a_name_that_says_nothing_is_refused_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"p\.xlsx: the name ends in none of \.jsonl, .*\.json\.gz"):
        read_preferences(tmp_path / "p.xlsx")


def test_a_line_that_is_no_json_is_skipped_however_far_down(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl.gz"
    path.write_bytes(gzip.compress((json.dumps(HH) + "\n").encode() * 150 + b"{"))
    file = read_preferences(path)
    [(number, reason)] = file.skipped
    assert (len(file.pairs), number) == (150, 151)
    assert reason.startswith("no JSON")


def test_a_file_that_is_cut_off_far_down_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl.gz"
    path.write_bytes(gzip.compress((json.dumps(HH) + "\n").encode() * 150)[:-4])
    with pytest.raises(InputError, match=r"p\.jsonl\.gz is cut off after line 150"):
        read_preferences(path)


def test_a_file_without_a_readable_line_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"p\.jsonl, line 1: .*; found what cannot be read: no JSON"):
        read_preferences(path)


def test_entries_of_an_array_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps([SHAREGPT, {}, SHAREGPT], indent=1), encoding="utf-8")
    file = read_preferences(path)
    assert (file.unit, len(file.pairs), file.skipped) == ("entry", 2, [(2, "conversations is missing")])


@pytest.mark.parametrize(
    ("name", "format_", "pairs", "rated"),
    [("dpo_en_demo.json", "sharegpt-ranking", 297, 0), ("kto_en_demo.json", "rated-messages", 0, 298)],
)
def test_real_files_give_every_row(name: str, format_: str, pairs: int, rated: int) -> None:
    if not (SHARED / name).exists():
        pytest.skip(f"../shared/data/{name} is not here")
    file = read_preferences(SHARED / name)
    assert (file.format, len(file.pairs), len(file.rated), file.skipped) == (format_, pairs, rated, [])
    if rated:
        assert 100 < sum(example.desirable for example in file.rated) < 200
    else:
        assert sum(pair.prompt[0]["role"] == "system" for pair in file.pairs) == 80
