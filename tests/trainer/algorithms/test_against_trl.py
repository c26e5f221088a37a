"""One batch through TRL's own DPOTrainer: same loss, same rewards, same gradient."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from torch import Tensor
from trl import DPOConfig as TRLConfig
from trl import DPOTrainer

from trainer.algorithms.dpo import PreferenceObjective
from trainer.forward.encoding import TokenPair
from trainer.forward.logprobs import Packed
from trainer.forward.reference import group_logps
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import DPOConfig, HingeConfig, IPOConfig, PairwiseConfig, RobustConfig
from trainer.model.base import load_base
from trainer.model.policy import Policy

BETA = 0.3
ROWS = [
    ("why is the sky blue?", "because of the air", "no"),
    ("how long do I boil an egg?", "six minutes", "eggs are laid by hens and come in boxes of ten"),
    ("hi", "hello, how are you?", "what"),
    ("name a colour", "red", "a colour is what the eye sees of light"),
]


CONFIGS: dict[str, PairwiseConfig] = {
    "sigmoid": DPOConfig(beta=BETA),
    "hinge": HingeConfig(algorithm="hinge", beta=BETA),
    "ipo": IPOConfig(algorithm="ipo", beta=BETA),
    "robust": RobustConfig(algorithm="robust", beta=BETA, label_smoothing=0.2),
}


@pytest.fixture(params=CONFIGS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def oracle(model_dir: Path, tmp_path: Path, kind: str) -> DPOTrainer:
    rows = [{"prompt": f"<|user|>{p}<|assistant|>", "chosen": c, "rejected": r} for p, c, r in ROWS]
    base = load_base(str(model_dir))
    return DPOTrainer(
        model=base.model,
        args=TRLConfig(
            output_dir=str(tmp_path),
            beta=BETA,
            loss_type=[kind],
            label_smoothing=0.2,
            per_device_train_batch_size=len(rows),
            activation_checkpointing=False,
            bf16=False,
            use_cpu=True,
            report_to=[],
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        peft_config=LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear"),
    )


def lora_of(model: torch.nn.Module | None) -> dict[str, torch.nn.Parameter]:
    """TRL's tensors by our names."""
    assert model is not None
    prefix, parts = "base_model.model.", {"lora_A.default.weight": "down", "lora_B.default.weight": "up"}
    return {
        f"{name.removeprefix(prefix).removesuffix(theirs)}{ours}": parameter
        for name, parameter in model.named_parameters()
        for theirs, ours in parts.items()
        if name.endswith(theirs)
    }


def rows_of(oracle: DPOTrainer) -> list[Any]:
    """What TRL made of ROWS."""
    dataset: Any = oracle.train_dataset
    return list(dataset)


def token_pairs(rows: list[Any]) -> list[TokenPair]:
    """Ours of the rows that TRL tokenised."""
    return [TokenPair(tuple(row["prompt_ids"]), tuple(row["chosen_ids"]), tuple(row["rejected_ids"])) for row in rows]


def test_loss_rewards_and_gradient_equal_trl(oracle: DPOTrainer, model_dir: Path, kind: str) -> None:
    policy = Policy.from_base(load_base(str(model_dir)), rank=4, alpha=8, seed=0)
    theirs, ours = lora_of(oracle.model), policy.lora.parameters
    assert theirs.keys() == ours.keys()
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
            theirs[name].copy_(parameter)

    assert oracle.model is not None
    rows = rows_of(oracle)
    loss = oracle._compute_loss(oracle.model, oracle.data_collator(rows), return_outputs=False)
    loss.backward()
    logged = oracle._metrics["train" if oracle.model.training else "eval"]

    pairs = token_pairs(rows)
    with policy.reference():
        reference = group_logps(policy, Packed(), [pair.group for pair in pairs], TokenBudget(8192, print))
    terms = PreferenceObjective(policy, Packed(), CONFIGS[kind], reference, None).terms(pairs)
    terms.loss.mean().backward()

    assert terms.loss.mean().item() == pytest.approx(loss.item(), rel=1e-5, abs=1e-5)
    if kind != "ipo":  # whose rewards TRL logs as DPO's
        for ours_, theirs_ in (("chosen_reward", "rewards/chosen"), ("rejected_reward", "rewards/rejected")):
            assert terms.columns[ours_].mean().item() == pytest.approx(logged[theirs_][0], abs=1e-5)
    for ours_, theirs_ in (("chosen_logps", "logps/chosen"), ("rejected_logps", "logps/rejected")):
        assert terms.columns[ours_].mean().item() == pytest.approx(logged[theirs_][0], abs=1e-4)
    expected = flat({name: p.grad for name, p in theirs.items()})
    assert expected.norm() > 0.01
    assert (flat({name: p.grad for name, p in ours.items()}) - expected).norm() / expected.norm() < 1e-5


def flat(grads: dict[str, Tensor | None]) -> Tensor:
    return torch.cat([grad.flatten() for _, grad in sorted(grads.items()) if grad is not None])
