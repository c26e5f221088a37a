import json
import re
from pathlib import Path

import pytest

from data.errors import ModelError, PromptError
from data.records import Message
from tests.trainer.plainly import templated
from tests.trainer.templates import TEMPLATES, tokenizer_for
from trainer.interface.model_settings import AS_IT_COMES, PLAIN, ModelOptions, PromptFormat
from trainer.prompting.prompt_format import REFUSED, PromptFormatter, find_format, former_format

ASKED: list[Message] = [{"role": "user", "content": "What is the capital of France?"}]
ANSWERED: list[Message] = [*ASKED, {"role": "assistant", "content": "Paris, of course."}]
TALKS: dict[str, list[Message]] = {
    "one turn": ANSWERED,
    "two turns": [*ANSWERED, {"role": "user", "content": "And Spain?"}, {"role": "assistant", "content": "Madrid."}],
    "a system turn": [{"role": "system", "content": "Be brief."}, *ANSWERED],
}
# What ends an assistant's turn, read off the templates by hand.
ENDS = {
    "cohere": "<|END_OF_TURN_TOKEN|>",
    "diffusion_gemma": "<turn|>",
    "gemma": "<end_of_turn>",
    "gemma4": "<turn|>",
    "glm": "<|user|>",  # the next turn begins, nothing else ends this one; it is in the model's own list of ends
    "gptoss": "<|return|>",
    "idefics": "<end_of_utterance>",
    "lfm": "<|im_end|>",
    "llama": "<|eot_id|>",
    "llava": "</s>",
    "muse": "<|eot|>",
    "phi": "<|end|>",
    "qwen": "<|im_end|>",
    "smolvlm": "<end_of_utterance>",
}
THINKS = [name for name in TEMPLATES if name.startswith(("deepseek", "nemotron"))]  # begin a prompt with <think>
IN_PARTS = [name for name in TEMPLATES if name.startswith(("idefics", "smolvlm", "llava"))]
NO_SYSTEM = ["gemma", "gemma_training"]
READ = sorted(TEMPLATES.keys() - set(THINKS))


def formatter(template: str, **options: object) -> PromptFormatter:
    return PromptFormatter(tokenizer_for(template), PromptFormat.model_validate({"template": template, **options}))


def of(name: str) -> str:
    return TEMPLATES[name].read_text(encoding="utf-8")


def end_of(name: str) -> str:
    return next(ENDS[family] for family in sorted(ENDS, key=len, reverse=True) if name.startswith(family))


def in_parts(talk: list[Message]) -> list[dict[str, object]]:
    return [{"role": m["role"], "content": [{"type": "text", "text": m["content"]}]} for m in talk]


@pytest.mark.parametrize("talk", TALKS)
@pytest.mark.parametrize("name", READ)
def test_prompt_and_answer_are_what_the_template_makes_of_the_whole_conversation(name: str, talk: str) -> None:
    if name in NO_SYSTEM and talk == "a system turn":
        pytest.skip("has no system turn")
    format, said = formatter(of(name)), TALKS[talk]
    whole = templated(format.tokenizer, in_parts(said) if name in IN_PARTS else said)
    end = end_of(name)
    until = whole.find(end, whole.rindex(said[-1]["content"]))
    until = len(whole) if until < 0 else until  # a template that writes the end with the next turn alone
    expected = format.tokenizer(whole[:until] + end, add_special_tokens=False)["input_ids"]
    ours = [*format.encode(said[:-1]), *format.encode_completion(said[-1]["content"], ended=True)]
    assert format.tokenizer.decode(ours) == format.tokenizer.decode(expected)
    assert ours == expected


@pytest.mark.parametrize("name", READ)
def test_what_ends_a_turn_in_the_template_ends_an_answer(name: str) -> None:
    format = formatter(of(name))
    assert format.end_ids == {format.tokenizer.convert_tokens_to_ids(end_of(name))}


@pytest.mark.parametrize("name", ["llama3", "qwen2_5", "gemma"])
def test_an_answer_that_was_cut_off_has_no_end(name: str) -> None:
    format = formatter(of(name))
    assert format.text(format.encode_completion("Paris, of", ended=False)) == "Paris, of"
    assert not format.end_ids & set(format.encode_completion("Paris, of", ended=False))


@pytest.mark.parametrize("reasoning", [None, "France, so Paris."])
@pytest.mark.parametrize("name", [*THINKS, "qwen3", "qwen3_5_think", "glm4moe", "gptoss", "gemma4_v5", "gemma4_v2"])
def test_an_answer_of_text_is_read_back_with_its_reasoning_on_any_prompt(name: str, reasoning: str | None) -> None:
    format = formatter(of(name))
    ids = format.encode_completion("Paris.", ended=True, reasoning=reasoning)
    assert ids[-1] in format.end_ids
    read = format.read(ids, prompt_ids=format.encode(ASKED))
    assert (read.text, read.reasoning) == ("Paris.", reasoning)


@pytest.mark.parametrize("name", ["qwen3", "glm4moe", "gptoss", "gemma4_v5", "nemotron_3_nano"])
def test_reasoning_is_written_as_the_template_does(name: str) -> None:
    format, reasoning = formatter(of(name)), "France, so Paris."
    answer = {"role": "assistant", "content": "Paris.", "reasoning_content": reasoning, "thinking": reasoning}
    whole = templated(format.tokenizer, [*ASKED, answer])
    ours = [*format.encode(ASKED), *format.encode_completion("Paris.", ended=False, reasoning=reasoning)]
    assert whole.startswith(str(format.tokenizer.decode(ours)).removesuffix("<|return|>"))


def test_what_was_reasoned_before_is_left_out_or_written_as_the_template_does() -> None:
    earlier: Message = {"role": "assistant", "content": "Paris.", "reasoning_content": "France, so Paris."}
    talk: list[Message] = [*ASKED, earlier, {"role": "user", "content": "And Spain?"}]
    keeps = {
        name
        for name in TEMPLATES
        if not name.startswith(("idefics", "smolvlm")) and formatter(of(name)).keeps_reasoning
    }
    assert keeps >= {"qwen3_8"}
    assert not keeps & {"qwen3", "deepseek_r1_distill", "gptoss", "glm4moe", "gemma4_v5", "nemotron_3_nano"}
    for name in ("qwen3", "qwen3_8", "gptoss", "deepseek_r1_distill"):
        assert ("France, so" in formatter(of(name)).render(talk)) == (name in keeps)
    kept = formatter(of("qwen3_6"), template_arguments={"preserve_thinking": True})
    assert kept.keeps_reasoning


SIMPLE = (
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}[a]{% endif %}"
)


def test_a_template_that_ends_no_turn_ends_no_answer() -> None:
    format = formatter("{% for m in messages %}{{ m['content'] }}\n{% endfor %}")
    assert (format.end_of_turn, format.end_ids) == ("", frozenset())


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ raise_exception('System role not supported') }}", "System role not supported"),
        ("{{ messages[7].content }}", "has no element 7"),
        ("{{ 1 // 0 }}", "division"),
        ("{{ messages", "unexpected end"),
        ("{% for m in range(10 ** 9) %}x{% endfor %}", "[Rr]ange"),
        ("", "makes nothing of it"),
    ],
)
def test_whatever_a_template_raises_is_an_error_of_that_prompt(template: str, why: str) -> None:
    with pytest.raises(PromptError, match=f"refuses this conversation: .*{why}") as refusal:
        formatter(template).encode(ASKED)
    assert refusal.value.reason == REFUSED


def test_half_a_character_is_an_error_of_that_prompt() -> None:
    with pytest.raises(PromptError):
        formatter(SIMPLE).encode([{"role": "user", "content": "\ud83d"}])


def test_a_system_prompt_goes_before_a_conversation_that_has_none() -> None:
    format = formatter(SIMPLE, system="Be brief.")
    assert format.render(ASKED).startswith("[system]Be brief.[user]What")
    assert format.render([{"role": "system", "content": "Rhyme."}, *ASKED]).startswith("[system]Rhyme.[user]What")


@pytest.mark.parametrize(
    ("template", "why"),
    [(of("gemma"), "System role not supported"), ("{{ messages[-1].content }}", "it leaves it out")],
)
def test_a_template_without_a_system_turn_is_said_at_once(template: str, why: str) -> None:
    with pytest.raises(
        ModelError, match=rf"^model m: its chat template takes no system prompt \({why}\); remove system"
    ):
        find_format(tokenizer_for(template), ModelOptions(system="Be brief."), "m")


def test_arguments_reach_the_template() -> None:
    template = "{% if loud %}LOUD {% endif %}{{ messages[0].content }}"
    assert formatter(template, template_arguments={"loud": True}).render(ASKED).startswith("LOUD What")
    assert formatter(template).render(ASKED).startswith("What")


def test_arguments_that_are_ours_to_give_are_refused() -> None:
    with pytest.raises(ModelError, match=r"add_generation_prompt, tokenize cannot stand in \[model\]"):
        options = ModelOptions(template_arguments={"tokenize": True, "add_generation_prompt": False})
        find_format(tokenizer_for(SIMPLE), options, "m")


@pytest.mark.parametrize("begins", ["<bos>", "<|begin_of_text|>", 'o"{{dd}}\\n'])
def test_the_plain_template_begins_with_what_the_tokenizer_puts_first(begins: str) -> None:
    tokenizer = tokenizer_for(None, begins=begins)
    format = PromptFormatter(tokenizer, find_format(tokenizer, AS_IT_COMES, "m"))
    assert format.render(ASKED) == f"{begins}User: What is the capital of France?\n\nAssistant:"
    assert format.encode(ASKED) == tuple(tokenizer("User: What is the capital of France?\n\nAssistant:")["input_ids"])


def test_the_plain_template_of_a_tokenizer_that_puts_nothing_first_begins_with_the_user() -> None:
    tokenizer = tokenizer_for(None)
    assert PromptFormatter(tokenizer, find_format(tokenizer, AS_IT_COMES, "m")).render(ASKED).startswith("User: What")


def test_an_answer_in_the_plain_template_ends_where_the_next_turn_begins() -> None:
    tokenizer = tokenizer_for(None, begins="<bos>")
    format = PromptFormatter(tokenizer, find_format(tokenizer, AS_IT_COMES, "m"))
    ids = format.encode_completion("Paris.", ended=True)
    assert tokenizer.decode(list(ids)) == " Paris.\n\nUser:"
    assert format.stops.met(ids) and not format.stops.met(ids[:-1])
    assert format.text(ids) == "Paris."
    assert tokenizer.decode(list(format.encode_completion("Paris.", ended=False))) == " Paris."


def test_stop_strings_are_added_to_those_of_the_plain_template() -> None:
    assert find_format(tokenizer_for(None), ModelOptions(stop=("END",)), "m").stop == (
        "\n\nUser:",
        "\n\nAssistant:",
        "END",
    )


def test_another_template_may_be_given(tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text("{{ messages[-1].content }}!")
    tokenizer = tokenizer_for(SIMPLE)
    assert find_format(tokenizer, ModelOptions(template=str(file)), "m") == PromptFormat(template=file.read_text())
    plain = PromptFormatter(tokenizer, find_format(tokenizer, ModelOptions(template=PLAIN), "m"))
    assert plain.render(ASKED).startswith("User: What")


def test_a_template_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=re.escape(f"its template {tmp_path / 'none'} cannot be read")):
        find_format(tokenizer_for(SIMPLE), ModelOptions(template=str(tmp_path / "none")), "m")


def test_of_several_templates_the_default_one_is_taken() -> None:
    tokenizer = tokenizer_for(SIMPLE)
    tokenizer.chat_template = {"tool_use": "x", "default": SIMPLE}
    assert find_format(tokenizer, AS_IT_COMES, "m").template == SIMPLE


def test_a_format_is_known_by_all_that_is_in_it() -> None:
    some = {"template": "t", "system": "s", "stop": ["x"], "template_arguments": {"a": 1}}
    other = {"template": "u", "system": None, "stop": ["x", "y"], "template_arguments": {"a": 2}}
    formats = [some, *({**some, key: value} for key, value in other.items())]
    assert len({PromptFormat.model_validate(one).sha256 for one in formats}) == len(formats)
    assert PromptFormat.model_validate(json.loads(json.dumps(some))) == PromptFormat.model_validate(some)


def test_before_formats_were_recorded_a_model_without_a_template_was_asked_without_its_first_token() -> None:
    tokenizer = tokenizer_for(None, begins="<bos>")
    former = PromptFormatter(tokenizer, former_format(tokenizer))
    assert former.render(ASKED) == "User: What is the capital of France?\n\nAssistant:"
    assert former.format.stop == ()


def test_before_formats_were_recorded_a_model_with_a_template_was_asked_as_it_is_now() -> None:
    tokenizer = tokenizer_for(SIMPLE)
    assert former_format(tokenizer) == find_format(tokenizer, AS_IT_COMES, "m")
