"""Real models are asked in the format they were made for."""

from pathlib import Path
from typing import Any

import pytest

from data.records import FinishReason, Message, Sampling
from trainer.model.base import Base, load_base
from trainer.sampling.sampler import Request, Sampler

pytestmark = pytest.mark.real

ASKED: tuple[Message, ...] = ({"role": "user", "content": "What is the capital of France?"},)
GREEDY = Sampling(temperature=0.0)


def test_a_pretrained_model_gives_the_right_answer_and_ends_it(gemma3: Path) -> None:
    base = load_base(str(gemma3))
    assert base.encode(ASKED)[0] == base.tokenizer.bos_token_id
    [row] = Sampler(base).generate([Request(base.encode(ASKED), None, 0, GREEDY)])
    assert base.text(row.token_ids) == "The capital of France is Paris."
    assert row.finish_reason is FinishReason.STOP


def test_an_imported_answer_is_what_the_models_own_template_makes_of_it(smollm2: Path) -> None:
    base = load_base(str(smollm2))
    for said in ("Paris.", "It is Paris:\n\n- on the Seine\n- old", "“Paris”, naïvely 🙂"):
        turns: list[Any] = [*ASKED, {"role": "assistant", "content": said}]
        whole: Any = base.tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)
        ours = [*base.encode(ASKED), *base.encode_completion(said, ended=True)]
        assert ours == whole[: len(ours)]
        assert base.tokenizer.decode(whole[len(ours) :]) == "\n"
        assert ours[-1] == base.tokenizer.convert_tokens_to_ids("<|im_end|>")


def test_a_sampled_answer_read_as_text_is_the_same_ids_again(gemma3: Path) -> None:
    """So what is imported trains as what is sampled does."""
    base: Base = load_base(str(gemma3))
    [row] = Sampler(base).generate([Request(base.encode(ASKED), None, 0, GREEDY)])
    assert base.encode_completion(base.text(row.token_ids), ended=True) == tuple(row.token_ids)
