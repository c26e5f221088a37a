"""Sampling and serving on a GPU: the same answers in any company, and a model that leaves and comes back."""

from dataclasses import replace

import pytest
import torch

from app.serving.engine import SamplingJob, complete
from app.serving.inprocess import InProcessEngine
from data.errors import ConflictError
from data.records import Sampling
from tests.trainer.plainly import greedy
from tests.trainer.sampling.test_sampler import requests, result, served
from tests.trainer.scene import ask, random_lora
from trainer.model.base import Base
from trainer.sampling.sampler import Request, Sampler

pytestmark = pytest.mark.cuda

GREEDY = Sampling(temperature=0.0, top_p=1.0, max_new_tokens=24)
FREE = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=24)
JOB = SamplingJob(ask("How do I boil an egg?"), "base", (1, 2), FREE)


def loaded(base: Base) -> Sampler:
    sampler = Sampler(base)
    sampler.load("v1", random_lora(base.model, seed=1, size=0.03))
    sampler.load("v2", random_lora(base.model, seed=2, rank=8, size=0.03))
    return sampler


def test_greedy_is_that_of_generate_token_for_token(exact: Base) -> None:
    prompt = exact.prompt_ids(ask("How do I boil an egg?"))
    [row] = Sampler(exact).generate([Request(prompt, None, 0, GREEDY)])
    mask = torch.ones(1, len(prompt), dtype=torch.long, device=exact.model.device)
    assert row.token_ids == greedy(exact.model, prompt, 24, attention_mask=mask)


@pytest.mark.xfail(strict=True, reason="CUDA's kernels depend on how many rows have an adapter: seen on an H200")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_same_seed_and_version_give_the_same_bits_in_any_company(base: Base, dtype: torch.dtype) -> None:
    base = replace(base, model=torch.nn.Module.to(base.model, dtype))
    sampler, wanted = loaded(base), requests(24, seed=0)
    together = [result(row) for row in served(sampler, wanted)]
    alone = [result(row) for request in wanted for row in served(sampler, [request])]
    assert together == alone


async def test_a_parked_model_leaves_the_gpu_and_comes_back_with_the_same_bits(base: Base) -> None:
    engine = InProcessEngine(base)
    try:
        before = await complete(engine, JOB)
        weights = sum(parameter.nbytes for parameter in base.model.parameters())
        held = torch.cuda.memory_allocated()
        await engine.offload()
        assert torch.cuda.memory_allocated() <= held - weights
        with pytest.raises(ConflictError, match="makes room for training"):
            await complete(engine, JOB)
        await engine.reload()
        assert await complete(engine, JOB) == before
    finally:
        engine.close()
