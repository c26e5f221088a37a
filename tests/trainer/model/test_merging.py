from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from data.errors import AdapterError
from data.records import Message
from tests.models import save_adapter
from tests.trainer.plainly import templated
from trainer.interface.adapter_files import WEIGHTS
from trainer.interface.model_settings import PromptFormat
from trainer.model.adapter import read_adapter
from trainer.model.base import load_base
from trainer.model.merging import load_and_merge
from trainer.model.policy import Policy
from trainer.sampling.sampler import Sampler

PROMPT: tuple[Message, ...] = ({"role": "user", "content": "how do I boil an egg?"},)


def test_plain_weights_answer_as_base_and_adapter_do(model_dir: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    save_adapter(model_dir, adapter, seed=1)
    load_and_merge(adapter, tmp_path / "merged")

    base = load_base(str(model_dir))
    sampler = Sampler(base, max_adapters=1, max_rank=8)
    sampler.load("v1", read_adapter(adapter, base.model, max_rank=8))
    prompt, answer = base.encode(PROMPT), (5, 6, 7, 8)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    with torch.no_grad():
        logits = merged(input_ids=torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
    expected = logits.log_softmax(-1).gather(1, torch.tensor(answer)[:, None])[:, 0]
    torch.testing.assert_close(torch.tensor(sampler.score(prompt, answer, "v1")), expected, atol=1e-4, rtol=0)
    plain = torch.tensor(sampler.score(prompt, answer, None))
    assert (plain - expected).abs().max() > 1e-3


def test_the_tokenizer_comes_along(model_dir: Path, tmp_path: Path) -> None:
    save_adapter(model_dir, tmp_path / "adapter", seed=1)
    load_and_merge(tmp_path / "adapter", tmp_path / "merged")
    merged = AutoTokenizer.from_pretrained(tmp_path / "merged")
    text = templated(merged, PROMPT, add_generation_prompt=True)
    assert merged(text, add_special_tokens=False)["input_ids"] == list(load_base(str(model_dir)).encode(PROMPT))


def test_the_merged_model_is_asked_as_its_version_was(model_dir: Path, tmp_path: Path) -> None:
    asked = PromptFormat(template="{% for m in messages %}[{{ m['content'] }}]{% endfor %}", stop=("END",))
    policy = Policy.from_base(load_base(str(model_dir)).under(asked), rank=2, alpha=4, seed=0)
    policy.save(tmp_path / "adapter")
    load_and_merge(tmp_path / "adapter", tmp_path / "merged")
    merged = AutoTokenizer.from_pretrained(tmp_path / "merged")
    assert templated(merged, PROMPT) == "[how do I boil an egg?]"
    assert PromptFormat.model_validate_json((tmp_path / "merged" / "prompt_format.json").read_text()) == asked


def test_a_damaged_prompt_format_is_named(model_dir: Path, tmp_path: Path) -> None:
    save_adapter(model_dir, tmp_path / "adapter", seed=1)
    (tmp_path / "adapter" / "prompt_format.json").write_text("{")
    with pytest.raises(AdapterError, match=r"prompt_format\.json is damaged"):
        load_and_merge(tmp_path / "adapter", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_damaged_adapter_leaves_nothing_behind(model_dir: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    save_adapter(model_dir, adapter, seed=1)
    (adapter / WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(AdapterError, match="cannot be merged"):
        load_and_merge(adapter, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
