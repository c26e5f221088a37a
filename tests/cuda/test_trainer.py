"""Training on a GPU: the same numbers as on the CPU, and a whole round whose adapter proves itself where it serves."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.plainly import gradient, grown
from tests.trainer.scene import freeze, toy_pairs
from trainer.algorithms.dpo import PreferenceObjective
from trainer.algorithms.optimizer import LoraOptimizer
from trainer.evaluation.canary import verify
from trainer.forward.logprobs import Packed, Plain
from trainer.forward.probe import choose_forward
from trainer.forward.reference import group_logps
from trainer.forward.token_budget import TokenBudget, peak_memory_mb
from trainer.interface.config import DPOConfig, KTOConfig, PPOConfig, RewardConfig, TrainingConfig
from trainer.interface.model_settings import BUILT_IN
from trainer.model.adapter import read_adapter
from trainer.model.base import Base
from trainer.model.lora import Lora, LoraStack
from trainer.model.policy import Policy
from trainer.preflight.memory_estimate import MemoryEstimate, free_bytes
from trainer.preflight.model_check import check_training
from trainer.round import run_round
from trainer.sampling.sampler import Sampler

pytestmark = pytest.mark.cuda

PAIRS = toy_pairs(6)
GROUPS = [pair.group for pair in PAIRS]
TOY: dict[str, Any] = {"rank": 4, "alpha": 8}
REWARD = RewardConfig(epochs=4, learning_rate=1e-2, **TOY)
CONFIGS: list[TrainingConfig] = [
    DPOConfig(epochs=8, batch_size=4, learning_rate=1e-2, **TOY),
    DPOConfig(epochs=8, batch_size=4, learning_rate=1e-2, gradient_checkpointing=True, **TOY),
    KTOConfig(algorithm="kto", epochs=8, batch_size=4, learning_rate=1e-2, **TOY),
    PPOConfig(
        algorithm="ppo",
        epochs=4,
        rollouts=16,
        batch_size=8,
        reward=RewardConfig(epochs=4, learning_rate=1e-2, **TOY),
        **TOY,
    ),
]


def logps_and_gradient(base: Base, forward: Packed | Plain) -> tuple[torch.Tensor, torch.Tensor]:
    lora: Lora = grown(base.model)
    with LoraStack(base.model).acting(lora):
        logps = forward.token_logps(base.model, GROUPS)
    return logps.detach().cpu(), gradient(logps.sum(), lora).cpu()


def test_packed_log_probabilities_and_gradients_are_those_of_the_cpu(exact: Base, on_cpu: Base) -> None:
    here, there = logps_and_gradient(exact, Packed()), logps_and_gradient(on_cpu, Plain())
    torch.testing.assert_close(here[0], there[0], rtol=0, atol=1e-4)
    assert (here[1] - there[1]).norm() / there[1].norm() < 1e-4


def test_packed_is_plain(exact: Base) -> None:
    packed, plain = logps_and_gradient(exact, Packed()), logps_and_gradient(exact, Plain())
    torch.testing.assert_close(packed[0], plain[0], rtol=0, atol=1e-5)
    assert (packed[1] - plain[1]).norm() / plain[1].norm() < 1e-5


def test_the_probe_packs_in_bfloat16(base: Base) -> None:
    assert base.model.dtype == torch.bfloat16
    assert choose_forward(base.model).reason == "packed"


def test_the_first_loss_is_ln_2_in_bfloat16(base: Base) -> None:
    policy = Policy.from_base(base, rank=4, alpha=8, seed=0)
    budget, config = TokenBudget(8192, print), DPOConfig(**TOY)
    with policy.reference():
        reference = group_logps(policy, Packed(), GROUPS, budget)
    learner = LoraOptimizer(policy.lora.parameters, config, steps=10, budget=budget)
    terms = PreferenceObjective(policy, Packed(), config, reference, None).terms
    assert learner.learn(PAIRS, lambda pair: pair.tokens, terms)["loss"] == pytest.approx(math.log(2), abs=1e-6)


@pytest.mark.parametrize("config", CONFIGS, ids=["dpo", "dpo, recomputing", "kto", "ppo"])
def test_a_round_learns_and_its_adapter_is_proved_where_it_serves(
    base: Base, tmp_path: Path, config: TrainingConfig
) -> None:
    directory = freeze(tmp_path / "round", base, config=config, model=BUILT_IN)
    manifest = run_round(directory, lambda: False, base=base)
    report = manifest.report
    assert report.forward == "packed"
    assert report.reward is not None or report.train.accuracy == 1.0
    assert 0 < report.memory_mb == peak_memory_mb()
    sampler = Sampler(base)
    sampler.load("new", read_adapter(directory.adapter, base.model, max_rank=16))
    prompt, ids = base.prompt_ids(manifest.canary.prompt), manifest.canary.token_ids
    served, served_base = (sampler.score(prompt, ids, name) for name in ("new", None))
    verify(manifest.canary, served=served, served_base=served_base)


def test_when_the_gpu_is_full_parts_become_smaller(gpu: torch.device) -> None:
    """Each item takes 40 % of the card: more than two together never fit."""
    said: list[str] = []
    size = int(0.4 * free_bytes(gpu))

    def work(part: list[int]) -> int:
        return len(torch.empty(len(part) * size, dtype=torch.uint8, device=gpu)) // size

    assert TokenBudget(4, said.append).each(range(4), lambda _: 1, work) == [2, 2]
    assert said == ["out of memory: going on with 2 tokens at a time"]


def test_the_estimate_counts_the_weights_as_they_lie_on_the_gpu(base: Base, tmp_path: Path) -> None:
    directory = freeze(tmp_path / "round", base, model=BUILT_IN)
    free = free_bytes(base.model.device)
    needed = MemoryEstimate.of(directory, base, check_training(base, rank=4).activations, free=free)
    assert needed.weights == sum(parameter.nbytes for parameter in base.model.parameters())
    assert needed.bytes < free
