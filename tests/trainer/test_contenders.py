"""Adapters side by side: the same prompts and seeds for all, and numbers recomputed another way."""

import pytest
import torch

from data.records import Sampling
from tests.trainer.plainly import alone
from tests.trainer.scene import ask, random_lora
from trainer.base import Base
from trainer.contenders import SAMPLES, Contenders
from trainer.lora import Lora, LoraStack

PROMPTS = [ask("how do I boil an egg?"), ask("why?")]


@pytest.fixture
def contenders(base: Base) -> Contenders:
    adapters = {"one": random_lora(base.model, seed=1, rank=2), "two": random_lora(base.model, seed=2, rank=4)}
    return Contenders(base, {"base": None, **adapters})


def test_all_are_asked_the_same_with_the_same_seeds(contenders: Contenders) -> None:
    drawn = [contenders.samples(name, PROMPTS, max_new_tokens=4, seed=3) for name in ("base", "one", "two")]
    asked = [[(row.request.prompt_ids, row.request.seed) for row in rows] for rows in drawn]
    assert asked[0] == asked[1] == asked[2]
    assert len(asked[0]) == SAMPLES
    assert len({tuple(map(tuple, (row.token_ids for row in rows))) for rows in drawn}) == 3


def test_a_log_ratio_is_the_difference_of_two_plain_passes(contenders: Contenders, base: Base) -> None:
    rows = contenders.samples("one", PROMPTS, max_new_tokens=5, seed=0)[:6]
    plain = []
    for row in rows:
        found = []
        for seed, rank in ((1, 2), (2, 4)):
            with torch.no_grad(), LoraStack(base.model).acting(Lora(random_lora(base.model, seed=seed, rank=rank))):
                found.append(float(alone(base.model, row.request.prompt_ids, tuple(row.token_ids))[0].sum()))
        plain.append(found[0] - found[1])
    assert contenders.log_ratios(rows, "two") == pytest.approx(plain, abs=1e-3)


def test_an_answer_to_a_probe_is_the_same_each_time_and_each_in_its_place(contenders: Contenders) -> None:
    sampling = Sampling(max_new_tokens=8)
    both = contenders.answers("one", PROMPTS, sampling, seed=0)
    assert both == contenders.answers("one", PROMPTS, sampling, seed=0)
    assert contenders.answers("one", PROMPTS[::-1], sampling, seed=0) == both[::-1]
    assert contenders.answers("two", PROMPTS, sampling, seed=0) != both


def test_without_an_adapter_the_base_answers_alone(base: Base) -> None:
    contenders = Contenders(base, {"base": None})
    rows = contenders.samples("base", PROMPTS, max_new_tokens=4, seed=0)
    assert contenders.log_ratios(rows, "base") == pytest.approx([0.0] * SAMPLES, abs=1e-4)
