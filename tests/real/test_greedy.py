"""Greedy answers of the real models are those of transformers, token for token."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from data.records import Sampling
from tests.trainer.plainly import greedy
from trainer.model.base import load_base
from trainer.sampling.sampler import Request, Sampler

pytestmark = pytest.mark.real

TOKENS = 24
PROMPTS = ("The capital of France is", "Water boils at")


@pytest.mark.parametrize("name", ["smollm2", "gemma3"])
def test_greedy_is_that_of_transformers(name: str, request: pytest.FixtureRequest) -> None:
    directory: Path = request.getfixturevalue(name)
    base = load_base(str(directory))
    prompts = [tuple(base.tokenizer(text)["input_ids"]) for text in PROMPTS]
    sampling = Sampling(temperature=0.0, top_p=1.0, max_new_tokens=TOKENS)
    rows = Sampler(base).generate([Request(ids, None, 0, sampling) for ids in prompts])
    oracle = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    for ids, row in zip(prompts, rows, strict=True):
        assert row.token_ids == greedy(oracle, ids, TOKENS)
