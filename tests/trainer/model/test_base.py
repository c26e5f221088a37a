"""Loading a base model: what it gives, and what it refuses."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from data.errors import ModelError, PromptError
from data.records import Message, Sampling
from tests.trainer.scene import ask
from trainer.interface.model_settings import BUILT_IN, ModelOptions, PromptFormat
from trainer.model.base import TOO_LONG, Base, load_base
from trainer.prompting.reasoning import Answer


@pytest.fixture
def copied(model_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_dir, tmp_path / "copied"))


def edit(file: Path, **changes: object) -> None:
    content = json.loads(file.read_text())
    content.update(changes)
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def test_a_model_is_frozen_and_in_evaluation(base: Base) -> None:
    assert not base.model.training
    assert not any(parameter.requires_grad for parameter in base.model.parameters())


def test_on_the_cpu_weights_are_float32(model_dir: Path) -> None:
    assert load_base(str(model_dir), device=torch.device("cpu")).model.dtype == torch.float32


def test_prompt_ids_are_the_chat_template_up_to_the_answer(base: Base) -> None:
    text = base.tokenizer.decode(list(base.prompt_ids(ask("boil an egg"))))
    assert text == "<|user|>boil an egg<|assistant|>"


def test_earlier_turns_stand_in_the_prompt(base: Base) -> None:
    turns: list[Message] = [*ask("hi"), {"role": "assistant", "content": "hello"}, *ask("more")]
    assert (
        base.tokenizer.decode(list(base.prompt_ids(turns)))
        == "<|user|>hi<|assistant|>hello</s><|user|>more<|assistant|>"
    )


def test_text_leaves_out_special_tokens(base: Base) -> None:
    ids = base.tokenizer("an egg", add_special_tokens=False)["input_ids"]
    assert base.text([*ids, 2]) == "an egg"


def test_a_prompt_too_long_for_its_answer_is_refused_with_numbers(base: Base) -> None:
    length = len(base.prompt_ids(ask("egg " * 40)))
    base.prompt_ids(ask("egg " * 40), room=512 - length)
    words = f"has {length} tokens .* at least {513 - length}, .* reads only 512"
    with pytest.raises(PromptError, match=words) as raised:
        base.prompt_ids(ask("egg " * 40), room=513 - length)
    assert raised.value.reason == TOO_LONG


@pytest.mark.parametrize(
    ("prompt", "setting", "expected"),
    [
        (12, None, 100),
        (12, 40, 40),
        (12, 300, 300),
        (470, None, 42),
        (470, 40, 40),
        (470, 43, 42),
        (511, None, 1),
        (511, 40, 1),
    ],
)
def test_an_answer_may_go_as_far_as_the_setting_the_model_and_the_context_let_it(
    base: Base, prompt: int, setting: int | None, expected: int
) -> None:
    model = replace(base, longest_answer=100)
    assert model.answer_limit(prompt, Sampling(max_new_tokens=setting)) == expected


@pytest.mark.parametrize("tokens", [512, 600])
def test_a_prompt_that_leaves_no_room_at_all_has_no_answer(base: Base, tokens: int) -> None:
    with pytest.raises(PromptError, match="shorten the prompt"):
        base.answer_limit(tokens, Sampling(max_new_tokens=1))


@pytest.mark.parametrize(("tokens", "kept"), [(1, 1), (511, 511), (512, 256), (900, 256)])
def test_only_a_prompt_that_leaves_no_room_is_cut_and_keeps_its_end(base: Base, tokens: int, kept: int) -> None:
    ids = tuple(range(tokens))
    assert base.readable(ids) == ids[-kept:]


def test_the_built_in_model_answers_briefly_and_others_at_length(base: Base) -> None:
    assert load_base(BUILT_IN).longest_answer == 128
    assert base.longest_answer == 1024


def test_the_revision_stays_until_a_weight_changes(model_dir: Path, copied: Path) -> None:
    assert load_base(str(copied)).revision == load_base(str(model_dir)).revision
    weights = copied / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert load_base(str(copied)).revision != load_base(str(model_dir)).revision


def test_a_model_without_a_template_gets_the_plain_one(copied: Path) -> None:
    (copied / "chat_template.jinja").unlink()
    base = load_base(str(copied))
    assert base.plain_template
    assert base.tokenizer.decode(list(base.prompt_ids(ask("boil an egg")))) == "User: boil an egg\n\nAssistant:"
    assert "plain chat template" in base.describe()


def test_what_the_template_ends_a_turn_with_ends_an_answer(copied: Path) -> None:
    template = copied / "chat_template.jinja"
    template.write_text(template.read_text().replace("</s>", "<|system|>"))
    base = load_base(str(copied))
    end = base.tokenizer.convert_tokens_to_ids("<|system|>")
    assert base.eos_ids == {2, end}
    assert base.encode_completion("egg", ended=True)[-1] == end


def test_an_answer_ends_with_the_end_of_a_text_where_the_template_ends_no_turn(copied: Path) -> None:
    (copied / "chat_template.jinja").write_text("{% for m in messages %}{{ m['content'] }}\n{% endfor %}")
    assert load_base(str(copied)).encode_completion("egg", ended=True)[-1] == 2


def test_how_a_model_is_asked_may_be_chosen(copied: Path) -> None:
    base = load_base(str(copied), options=ModelOptions(system="Be brief.", stop=("END",)))
    assert base.tokenizer.decode(list(base.encode(ask("hi")))) == "<|system|>Be brief.<|user|>hi<|assistant|>"
    assert base.text(base.tokenizer("yes END no", add_special_tokens=False)["input_ids"]) == "yes"


def test_the_same_weights_are_asked_in_another_format(base: Base) -> None:
    other = base.under(PromptFormat(template="{{ messages[0].content }}?", stop=("END",)))
    assert other.model is base.model
    assert other.tokenizer.decode(list(other.encode(ask("hi")))) == "hi?"
    assert base.tokenizer.decode(list(base.encode(ask("hi")))) == "<|user|>hi<|assistant|>"


def test_every_configured_end_of_sequence_ends_an_answer(copied: Path) -> None:
    edit(copied / "generation_config.json", eos_token_id=[7, 9])
    assert load_base(str(copied)).eos_ids == {2, 7, 9}


def test_a_model_that_could_never_end_an_answer_is_refused(copied: Path) -> None:
    edit(copied / "generation_config.json", eos_token_id=None)
    edit(copied / "config.json", eos_token_id=None)
    edit(copied / "tokenizer_config.json", eos_token=None)
    (copied / "chat_template.jinja").write_text("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    with pytest.raises(ModelError, match="names no end-of-sequence token"):
        load_base(str(copied))


def test_a_directory_without_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no config\.json; give the folder"):
        load_base(str(tmp_path))


@pytest.mark.parametrize("name", ["nonsense", "a/b/c", "./owner/name", "/nowhere/at all", "~/nowhere-at-all"])
def test_a_name_that_is_neither_path_nor_hub_id_never_asks_the_hub(name: str) -> None:
    with pytest.raises(ModelError, match="no such directory, and it is not a hub id like owner/name"):
        load_base(name)


def test_an_unknown_hub_id_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"no-such-owner/no-such-model is not on this machine, .+; give --model a dir"):
        load_base("no-such-owner/no-such-model")


def test_damaged_weights_are_refused(copied: Path) -> None:
    (copied / "model.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_base(str(copied))


def test_a_model_says_what_it_is(base: Base) -> None:
    millions = sum(p.numel() for p in base.model.parameters()) / 1e6
    assert base.describe() == f"{base.name} ({millions:.1f} M parameters, cpu, float32, its own chat template)"


def test_the_built_in_model_is_no_path() -> None:
    assert "/" not in BUILT_IN and not Path(BUILT_IN).exists()


def test_a_model_that_reasons_answers_at_greater_length(copied: Path) -> None:
    template = (copied / "chat_template.jinja").read_text()
    (copied / "chat_template.jinja").write_text(template + "{# <think> and </think> #}")
    assert load_base(str(copied)).longest_answer == 2048


def test_reasoning_is_told_from_the_answer(copied: Path) -> None:
    template = (copied / "chat_template.jinja").read_text()
    (copied / "chat_template.jinja").write_text(
        template.replace("<|assistant|>{%", "<|assistant|><think>{%") + "{# </think> #}"
    )
    base = load_base(str(copied))
    prompt_ids = base.prompt_ids(ask("boil an egg"))
    ids = base.tokenizer("hm</think>Yes.", add_special_tokens=False)["input_ids"]
    assert base.read(ids, prompt_ids=prompt_ids) == Answer("Yes.", "hm", 2)
    assert base.read(ids[:4], prompt_ids=prompt_ids, whole=False) == Answer("", "hm", 2)


def test_a_model_that_is_not_known_to_reason_says_its_text(base: Base) -> None:
    ids = base.tokenizer("hm</think>Yes.", add_special_tokens=False)["input_ids"]
    assert base.read(ids, prompt_ids=()) == Answer("hm</think>Yes.")
