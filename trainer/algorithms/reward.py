"""The reward model: a LoRA and a scalar head on the base, trained on human choices (Stiennon 2020, 2009.01325).

PPO scores its rollouts with it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from trainer.algorithms.losses import reward_loss, strength_margins
from trainer.algorithms.optimizer import Terms
from trainer.algorithms.training_run import RunContext, fit
from trainer.forward.encoding import TokenPair
from trainer.forward.logprobs import Forward
from trainer.forward.packing import Group
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import RewardConfig
from trainer.interface.manifest import RewardReport
from trainer.model.activation_checkpointing import recomputing
from trainer.model.adapter import read_adapter, write_adapter
from trainer.model.base import Base
from trainer.model.lora import Lora, LoraStack

_HEAD = "head.safetensors"
_SCALE = "scale.json"
_BINS = 10
_ANY_RANK = 1 << 20


@dataclass(frozen=True, slots=True)
class Scale:
    """Normalisation of the scores to mean 0 and deviation 1 over the training completions, so that models compare."""

    mean: float = 0.0
    deviation: float = 1.0


class RewardModel:
    """Scores whole completions from the hidden state at their last token: head . h, no bias, in float32."""

    def __init__(self, base: Base, stack: LoraStack, lora: Lora, head: Tensor, forward: Forward) -> None:
        self.base = base
        self.lora = lora
        self.scale = Scale()
        self.recompute_above: int | None = None
        self._head = nn.Parameter(head.detach().clone().float())
        self._stack = stack
        self._forward = forward

    @classmethod
    def fresh(cls, base: Base, stack: LoraStack, config: RewardConfig, forward: Forward, *, seed: int) -> "RewardModel":
        """Create a reward model that scores everything 0: its head is zero, and its LoRA has no effect yet."""
        lora = Lora.fresh(base.model, rank=config.rank, alpha=config.alpha, seed=seed)
        width = int(base.model.config.get_text_config().hidden_size)
        return cls(base, stack, lora, torch.zeros(width, device=base.model.device), forward)

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """The trainable parameters: the LoRA and the head."""
        return {**self.lora.parameters, "head": self._head}

    def raw_scores(self, groups: Sequence[Group]) -> Tensor:
        """Return the unnormalised score of every completion of every group, [S] float32, differentiable."""
        again = recomputing(self.base.model, self._stack, above=self.recompute_above)
        with self._stack.acting(self.lora), again:
            states = self._forward.end_states(self.base.model, groups)
        return states.float() @ self._head

    @torch.no_grad()
    def scores(self, groups: Sequence[Group], budget: TokenBudget) -> Tensor:
        """Return normalised scores, [S], in the order of the groups."""
        raw = self._many(groups, budget)
        return (raw - self.scale.mean) / self.scale.deviation

    @torch.no_grad()
    def calibrate(self, groups: Sequence[Group], budget: TokenBudget) -> None:
        """Set the normalisation from these completions."""
        raw = self._many(groups, budget)
        self.scale = Scale(float(raw.mean()), float(raw.std()) if len(raw) > 1 and float(raw.std()) > 0 else 1.0)

    def save(self, path: Path) -> None:
        """Write LoRA, head and scale; the LoRA comes last, so its presence means that everything is there."""
        path.mkdir(parents=True, exist_ok=True)
        save_file({"head": self._head.detach().cpu()}, path / _HEAD)
        (path / _SCALE).write_text(json.dumps({"mean": self.scale.mean, "deviation": self.scale.deviation}))
        write_adapter(path / "adapter", self.lora.adapter(), self.base.model, base_name=self.base.name)

    @classmethod
    def load(cls, path: Path, base: Base, stack: LoraStack, forward: Forward) -> "RewardModel":
        """Load what `save` wrote. Raises AdapterError or OSError."""
        adapter = read_adapter(path / "adapter", base.model, max_rank=_ANY_RANK)
        head = load_file(path / _HEAD)["head"].to(base.model.device)
        found = cls(base, stack, Lora(adapter), head, forward)
        found.scale = Scale(**json.loads((path / _SCALE).read_text()))
        return found

    def _many(self, groups: Sequence[Group], budget: TokenBudget) -> Tensor:
        """Return raw scores of many groups, in their order."""

        def work(part: list[int]) -> dict[int, Tensor]:
            picked = [groups[i] for i in part]
            split = torch.split(self.raw_scores(picked), [len(group.completions) for group in picked])
            return dict(zip(part, split, strict=True))

        parts = budget.each(range(len(groups)), lambda i: groups[i].tokens, work)
        found = {i: scores for part in parts for i, scores in part.items()}
        return torch.cat([found[i] for i in range(len(groups))])


def train_reward_model(run: RunContext, config: RewardConfig, model: RewardModel, pairs: Sequence[TokenPair]) -> None:
    """Train on pairs in place, and set the normalisation. Raises the errors of training_run.fit."""

    def terms(part: Sequence[TokenPair]) -> Terms:
        scores = model.raw_scores([pair.group for pair in part]).view(-1, 2)
        chosen, rejected = scores[:, 0], scores[:, 1]
        strengths = scores.new_tensor([pair.strength for pair in part])
        loss = reward_loss(chosen, rejected, strength_margins(strengths, config.strength_margin))
        margins = chosen - rejected
        columns = {
            "margin": margins,
            "accuracy": (margins > 0).double(),
            "chosen_reward": chosen,
            "rejected_reward": rejected,
        }
        return Terms(loss, columns)

    fit(run, model.parameters, pairs, lambda pair: pair.tokens, lambda _: terms)
    model.calibrate([pair.group for pair in pairs], run.budget)


@torch.no_grad()
def report_reward_model(
    model: RewardModel, train: Sequence[TokenPair], heldout: Sequence[TokenPair], budget: TokenBudget
) -> RewardReport:
    """Measure how well the scores rank pairs, and how well calibrated their differences are."""
    seen, unseen = (_margins(model, pairs, budget) for pairs in (train, heldout))
    return RewardReport(
        train_accuracy=float((seen > 0).double().mean()),
        heldout_accuracy=float((unseen > 0).double().mean()) if len(unseen) else None,
        calibration_error=calibration_error(unseen) if len(unseen) else None,
    )


def calibration_error(margins: Tensor) -> float:
    """Expected calibration error (Guo 2017, 1706.04599, eq. 3) of sigmoid(margin) as the probability that chosen wins.

    margins [N] of chosen over rejected. Chosen always won, so each pair counts once as it is and once mirrored:
    a calibrated model that predicts p is right in a share p of those predictions.
    """
    claimed = torch.sigmoid(torch.cat([margins, -margins]).double())
    won = torch.cat([torch.ones_like(margins), torch.zeros_like(margins)]).double()
    bins = (claimed * _BINS).long().clamp(max=_BINS - 1)
    gaps = [(claimed[bins == b] - won[bins == b]).sum().abs() for b in torch.unique(bins)]
    return float(torch.stack(gaps).sum() / len(claimed))


def _margins(model: RewardModel, pairs: Sequence[TokenPair], budget: TokenBudget) -> Tensor:
    """Return raw score of chosen minus rejected, [N]."""
    if not pairs:
        return torch.zeros(0)
    # scores differ from raw ones by a shift, which cancels here, and a factor, which is undone
    raw = model.scores([pair.group for pair in pairs], budget).view(-1, 2) * model.scale.deviation
    return raw[:, 0] - raw[:, 1]
