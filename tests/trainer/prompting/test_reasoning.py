"""Reasoning told apart from the answer: for the templates that TRL ships, and for every state of a stream."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trl
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from trl import chat_template_utils

from data.records import Message
from trainer.prompting.reasoning import KNOWN, MESSAGE_FIELDS, AnswerParser, Markers, ReasoningFormat, reasoning_format
from trainer.prompting.stop_strings import StopStrings

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
ASKED: tuple[Message, ...] = ({"role": "user", "content": "How long does an egg take?"},)
THOUGHT, SAID = "A soft egg: six minutes.", "Six minutes, from boiling water."
THINKING = [
    "deepseek_r1_distill",
    "deepseekv3",
    "gemma4",
    "gemma4_v2",
    "gemma4_v5",
    "diffusion_gemma",
    "glm4moe",
    "gptoss",
    "lfm2_2_5",
    "lfm2_2_5_v2",
    "nemotron_3_nano",
    "nemotron_3_super",
    "nemotron_3_ultra",
    "nemotron_3_5_lightning",
    "qwen3",
    "qwen3_5_nothink",
    "qwen3_5_think",
    "qwen3_6",
    "qwen3_8",
]
RENDERS_BOTH = [
    "diffusion_gemma",
    "gemma4_v5",
    "glm4moe",
    "gptoss",
    "lfm2_2_5",
    "lfm2_2_5_v2",
    "nemotron_3_nano",
    "nemotron_3_super",
    "nemotron_3_ultra",
    "nemotron_3_5_lightning",
    "qwen3",
    "qwen3_5_think",
    "qwen3_6",
    "qwen3_8",
]
"""Templates that write the reasoning of the last turn, after exactly what they prompt with."""
OPENED = ["deepseek_r1_distill", "deepseekv3", "nemotron_3_nano", "qwen3_5_think", "qwen3_6", "qwen3_8"]
THINK = next(markers for markers in KNOWN if markers.open == "<think>")


@pytest.fixture
def tokenizer(model_dir: Path) -> PreTrainedTokenizerBase:
    """A byte-level tokenizer: markers take many tokens unless a test adds them."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(model_dir)
    return tokenizer


def of_template(tokenizer: PreTrainedTokenizerBase, name: str) -> ReasoningFormat:
    tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")
    form = format_of(tokenizer)
    assert form is not None
    return form


def rendered(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Any], **said: Any) -> str:
    return str(tokenizer.apply_chat_template(list(turns), tokenize=False, **said))


def prompt_of(tokenizer: PreTrainedTokenizerBase, **said: Any) -> str:
    return rendered(tokenizer, ASKED, add_generation_prompt=True, **said)


def format_of(tokenizer: PreTrainedTokenizerBase) -> ReasoningFormat | None:
    return reasoning_format(tokenizer, str(tokenizer.chat_template))


def parser(tokenizer: PreTrainedTokenizerBase, *stops: str) -> AnswerParser:
    form = format_of(tokenizer)
    assert form is not None
    return AnswerParser(tokenizer, form, StopStrings(tokenizer, stops))


def ids_of(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("name", THINKING)
def test_a_template_that_thinks_is_known_to(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    of_template(tokenizer, name)


@pytest.mark.parametrize("name", ["llama3", "phi3", "gemma", "qwen2_5", "cohere2"])
def test_a_template_that_does_not_think_has_no_format(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")
    assert format_of(tokenizer) is None


@pytest.mark.parametrize("name", RENDERS_BOTH)
def test_a_turn_is_read_back_as_its_template_wrote_it(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    form = of_template(tokenizer, name)
    prompt = prompt_of(tokenizer)
    turn = {"role": "assistant", "content": SAID, **dict.fromkeys(MESSAGE_FIELDS, THOUGHT)}
    whole = rendered(tokenizer, [*ASKED, turn])
    assert whole.startswith(prompt)
    written = whole.removeprefix(prompt).strip()
    for end in ("<|im_end|>", "<turn|>", "<|return|>"):
        written = written.removesuffix(end)
    parts = form.split(written, prompt=prompt)
    assert (parts.reasoning.strip(), parts.answer.strip()) == (THOUGHT, SAID)


@pytest.mark.parametrize("name", ["qwen3", "glm4moe", "gptoss", "lfm2_2_5", "gemma4_v5"])
def test_the_same_is_read_as_by_the_librarys_response_template(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    known = of_template(tokenizer, name)
    prompt = prompt_of(tokenizer)
    chat_template_utils.add_response_schema(tokenizer)
    declared = format_of(tokenizer)
    assert declared is not None
    turn = {"role": "assistant", "content": SAID, **dict.fromkeys(MESSAGE_FIELDS, THOUGHT)}
    text = rendered(tokenizer, [*ASKED, turn]).removeprefix(prompt)
    parsed = tokenizer.parse_response(text, prefix=prompt)
    parts = declared.split(text, prompt=prompt)
    assert (parts.reasoning.strip(), parts.answer.strip()) == (THOUGHT, SAID)
    assert THOUGHT in parsed.values() and parsed["content"] == SAID
    assert known.split(text, prompt=prompt).reasoning.strip() == THOUGHT


def test_markers_of_its_own_are_read_as_the_tokenizer_declares_them(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.response_template = {
        "start_anchor": "<|assistant|>",
        "fields": {
            "reasoning_content": {"open": "to=self:", "close": "~"},
            "tool_calls": {"open": "call:", "close": ";", "repeats": True},
            "content": {},
        },
    }
    form = format_of(tokenizer)
    assert form is not None
    parts = form.split("to=self:hm~yes, call: me", prompt="<|user|>to=self:<|assistant|>")
    assert (parts.reasoning, parts.answer) == ("hm", "yes, call: me")


def test_a_declared_template_without_any_field_in_the_answer_leaves_it_whole(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    tokenizer.response_template = chat_template_utils.gptoss_template
    form = format_of(tokenizer)
    assert form is not None
    assert form.split("Just words.", prompt="<|start|>assistant").answer == "Just words."


@pytest.mark.parametrize("name", OPENED)
def test_a_completion_begins_inside_what_the_template_opened(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    form = of_template(tokenizer, name)
    parts = form.split(f"{THOUGHT}\n</think>\n\n{SAID}", prompt=prompt_of(tokenizer))
    assert (parts.reasoning.strip(), parts.answer.strip()) == (THOUGHT, SAID)


@pytest.mark.parametrize("name", ["qwen3", "qwen3_5_think", "glm4moe", "nemotron_3_nano"])
def test_an_empty_block_in_the_prompt_leaves_the_answer_alone(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    form = of_template(tokenizer, name)
    prompt = prompt_of(tokenizer, enable_thinking=False)
    assert form.closed_by(prompt) and not form.opened_by(prompt)
    parts = form.split("Write </think> to end it.", prompt=prompt)
    assert (parts.reasoning, parts.answer) == ("", "Write </think> to end it.")


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("<think>\nhm\n</think>\n\nYes.", "\nhm\n", "\n\nYes."),
        ("\n<think>hm</think>Yes.", "hm", "Yes."),
        ("<think>\n\n</think>\n\nYes.", "\n\n", "\n\nYes."),
        ("<think></think>Yes.", "", "Yes."),
        ("Yes.", "", "Yes."),
        ("Write <think>a</think> first.", "", "Write <think>a</think> first."),
        ("<think>hm</think>Then </think> and <think>.", "hm", "Then </think> and <think>."),
        ("hm</think>Yes.", "hm", "Yes."),
        ("hm</think>", "hm", ""),
        ("", "", ""),
    ],
)
def test_a_text_in_two(text: str, reasoning: str, answer: str) -> None:
    parts = ReasoningFormat(THINK).split(text)
    assert (parts.reasoning, parts.answer) == (reasoning, answer)


def test_what_was_cut_off_inside_is_all_reasoning() -> None:
    parts = ReasoningFormat(THINK).split("<think>so far so")
    assert (parts.reasoning, parts.answer, parts.closed) == ("so far so", "", False)


def test_a_model_that_writes_the_opened_marker_again_is_not_shown_with_it() -> None:
    assert ReasoningFormat(THINK).split("<think>hm</think>Yes.", prompt="<think>\n").reasoning == "hm"


def test_marks_around_the_answer_are_not_shown() -> None:
    form = ReasoningFormat(next(markers for markers in KNOWN if markers.open == "<|begin_of_thought|>"))
    text = "<|begin_of_thought|>hm<|end_of_thought|>\n<|begin_of_solution|>Yes.<|end_of_solution|>"
    parts = form.split(text)
    assert (parts.reasoning, parts.answer.strip()) == ("hm", "Yes.")


@pytest.mark.parametrize("markers", KNOWN, ids=lambda markers: markers.open)
@pytest.mark.parametrize("opened", [False, True])
def test_a_stream_never_shows_half_a_marker_nor_takes_a_word_back(markers: Markers, opened: bool) -> None:
    form = ReasoningFormat(markers)
    prompt = markers.open if opened else ""
    text = f"{'' if opened else markers.open} hm, {markers.close}{''.join(markers.dropped[:2])}Yes, so."
    before = form.split("", prompt=prompt, whole=False)
    for length in range(1, len(text) + 1):
        parts = form.split(text[:length], prompt=prompt, whole=False)
        assert " hm, ".startswith(parts.reasoning) and "Yes, so.".startswith(parts.answer)
        assert parts.reasoning.startswith(before.reasoning) and parts.answer.startswith(before.answer)
        before = parts
    assert (before.reasoning, before.answer) == (" hm, ", "Yes, so.")


def test_what_a_template_does_not_write_is_written_with_its_markers(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    form = of_template(tokenizer, "qwen3_5_think")
    prompt = prompt_of(tokenizer)
    parts = form.split(form.written(SAID, THOUGHT, prompt=prompt), prompt=prompt)
    assert (parts.reasoning.strip(), parts.answer.strip()) == (THOUGHT, SAID)
    assert form.written(SAID, None, prompt=prompt) == SAID


def test_control_tokens_that_mark_reasoning_are_read_and_not_shown(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.add_special_tokens({"additional_special_tokens": ["[THINK]", "[/THINK]"]})
    answer = parser(tokenizer).read([*ids_of(tokenizer, "[THINK]hm[/THINK]Yes."), 2])
    assert (answer.text, answer.reasoning) == ("Yes.", "hm")


def test_control_tokens_that_mark_nothing_are_left_out(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.add_tokens(["<think>", "</think>"])
    answer = parser(tokenizer).read([*ids_of(tokenizer, "<think>h<|user|>m</think>Y<|assistant|>es."), 2])
    assert (answer.text, answer.reasoning) == ("Yes.", "hm")


def test_the_tokens_of_the_reasoning_are_counted_to_its_last(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.add_tokens(["<think>", "</think>"])
    ids = ids_of(tokenizer, "<think>hm hm</think>Yes.")
    answer = parser(tokenizer).read(ids)
    assert answer.reasoning_tokens == ids.index(ids_of(tokenizer, "</think>")[0])


def test_reasoning_that_was_cut_off_counts_all_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.add_tokens(["<think>", "</think>"])
    ids = ids_of(tokenizer, "<think>hm hm hm")
    answer = parser(tokenizer).read(ids)
    assert (answer.text, answer.reasoning, answer.reasoning_tokens) == ("", "hm hm hm", len(ids))


def test_an_empty_block_is_no_reasoning(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.add_tokens(["<think>", "</think>"])
    answer = parser(tokenizer).read(ids_of(tokenizer, "<think>\n\n</think>\n\nYes."))
    assert (answer.text, answer.reasoning, answer.reasoning_tokens) == ("Yes.", None, None)


def test_a_prompts_ids_say_whether_the_completion_begins_inside(tokenizer: PreTrainedTokenizerBase) -> None:
    of_template(tokenizer, "deepseek_r1_distill")
    prompt_ids = ids_of(tokenizer, prompt_of(tokenizer))
    answer = parser(tokenizer).read(ids_of(tokenizer, "hm</think>Yes."), prompt_ids=prompt_ids)
    assert (answer.text, answer.reasoning) == ("Yes.", "hm")


def test_it_ends_before_a_stop_string(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.add_tokens(["<think>", "</think>"])
    ids = ids_of(tokenizer, "<think>hm</think>Yes. User: and")
    answer = parser(tokenizer, "User:").read(ids)
    assert (answer.text, answer.reasoning) == ("Yes.", "hm")
    assert parser(tokenizer, "User:").read(ids[:-7], whole=False).text == "Yes."
