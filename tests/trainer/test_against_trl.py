"""One batch through TRL's own DPOTrainer: same loss, same rewards, same gradient."""

from pathlib import Path

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from torch import Tensor
from trl import DPOConfig as TRLConfig
from trl import DPOTrainer

from trainer.base import load_base
from trainer.batching import TokenPair
from trainer.dpo import preference_terms, reference_logps
from trainer.policy import Policy

BETA = 0.3
ROWS = [
    ("why is the sky blue?", "because of the air", "no"),
    ("how long do I boil an egg?", "six minutes", "eggs are laid by hens and come in boxes of ten"),
    ("hi", "hello, how are you?", "what"),
    ("name a colour", "red", "a colour is what the eye sees of light"),
]


@pytest.fixture
def oracle(model_dir: Path, tmp_path: Path) -> DPOTrainer:
    rows = [{"prompt": f"<|user|>{p}<|assistant|>", "chosen": c, "rejected": r} for p, c, r in ROWS]
    base = load_base(str(model_dir))
    return DPOTrainer(
        model=base.model,
        args=TRLConfig(
            output_dir=str(tmp_path),
            beta=BETA,
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


def lora_of(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if ".lora_" in name and ".default." in name}


def test_loss_rewards_and_gradient_equal_trl(oracle: DPOTrainer, model_dir: Path) -> None:
    policy = Policy(load_base(str(model_dir)), rank=4, alpha=8, seed=0)
    theirs, ours = lora_of(oracle.model), lora_of(policy._peft)
    assert theirs.keys() == ours.keys()
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
            theirs[name].copy_(parameter)

    rows = list(oracle.train_dataset)
    batch = oracle.data_collator(rows)
    loss = oracle._compute_loss(oracle.model, batch, return_outputs=False)
    loss.backward()
    logged = oracle._metrics["train" if oracle.model.training else "eval"]

    pairs = [TokenPair(*(tuple(row[f"{part}_ids"]) for part in ("prompt", "chosen", "rejected"))) for row in rows]
    terms, chosen, rejected = preference_terms(
        policy, pairs, reference_logps(policy, pairs, token_budget=8192), beta=BETA
    )
    terms.loss.mean().backward()

    assert terms.loss.mean().item() == pytest.approx(loss.item(), abs=1e-5)
    assert terms.chosen_rewards.mean().item() == pytest.approx(logged["rewards/chosen"][0], abs=1e-5)
    assert terms.rejected_rewards.mean().item() == pytest.approx(logged["rewards/rejected"][0], abs=1e-5)
    assert chosen.mean().item() == pytest.approx(logged["logps/chosen"][0], abs=1e-4)
    assert rejected.mean().item() == pytest.approx(logged["logps/rejected"][0], abs=1e-4)
    expected = flat({name: p.grad for name, p in theirs.items()})
    assert expected.norm() > 0.01
    assert (flat({name: p.grad for name, p in ours.items()}) - expected).norm() / expected.norm() < 1e-5


def flat(grads: dict[str, Tensor | None]) -> Tensor:
    return torch.cat([grad.flatten() for _, grad in sorted(grads.items()) if grad is not None])
