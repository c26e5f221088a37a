"""Every loss that TRL has too, through TRL's own code: same number and same gradient to 1e-5, same rewards.

TRL computes its losses inside its trainers. Here they stand without model or data: the log-probabilities of tokens
are made up and handed to the trainer as what its model says.

Where TRL differs it is said. TRL has no conservative DPO under that name; its CPOTrainer has the formula. It has no
margin for DPO and none with flipped labels; its RewardTrainer has one. Its SFT term weighs tokens alike, not
completions. It has no PPO any more; its GRPOTrainer clips the same.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from trl import DPOTrainer, GRPOTrainer, KTOTrainer, RewardTrainer

from trainer.algorithms.losses import (
    PairLogps,
    PreferenceTerms,
    cdpo_loss,
    dpo_loss,
    hinge_loss,
    ipo_loss,
    kto_baseline,
    kto_loss,
    reward_loss,
    robust_dpo_loss,
    sft_loss,
    simpo_loss,
)
from trainer.algorithms.ppo_losses import policy_loss

BETA = 0.3
NEAR: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-5}
# token counts of completions; the trainers know of a prompt of one token before them
CHOSEN, REJECTED = [4, 1, 6, 3], [2, 5, 6, 1]
N = len(CHOSEN)


@dataclass
class Tokens:
    """Log-probabilities of the tokens of completions [B, K], 0 beyond a completion's end, and which are tokens."""

    logps: Tensor
    mask: Tensor

    @property
    def sums(self) -> Tensor:
        return self.logps.sum(1)

    @property
    def lengths(self) -> Tensor:
        return self.mask.sum(1)


def tokens(lengths: list[int], *, seed: int) -> Tokens:
    mask = torch.arange(6) < torch.tensor(lengths)[:, None]
    logps = -3 * torch.rand(mask.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * mask
    return Tokens(logps.requires_grad_(), mask)


def saying(logps: Tensor) -> Callable[..., SimpleNamespace]:
    """A model that answers TRL with these log-probabilities of tokens."""
    zeros = torch.zeros_like(logps)
    said = SimpleNamespace(log_probs=logps, entropy=zeros, mean_logits=zeros, is_top1=zeros.bool())
    return lambda **_: said


def bare(trainer: type[Any], **attributes: object) -> Any:
    """A TRL trainer without model, data or accelerator."""
    made = object.__new__(trainer)
    alone = SimpleNamespace(
        device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x, reduce=lambda x, reduction: x, num_processes=1
    )
    common = {
        "accelerator": alone,
        "model": SimpleNamespace(training=False),
        "aux_loss_enabled": False,
        "beta": BETA,
        "_metrics": defaultdict(lambda: defaultdict(list)),
        "_total_train_tokens": 0,
    }
    for name, value in (common | attributes).items():
        setattr(made, name, value)
    return made


def after_a_prompt(mask: Tensor) -> Tensor:
    """TRL's completion mask, which covers a prompt token too."""
    return torch.cat([torch.zeros(len(mask), 1, dtype=torch.long), mask.long()], 1)


@pytest.fixture
def chosen() -> Tokens:
    return tokens(CHOSEN, seed=1)


@pytest.fixture
def rejected() -> Tokens:
    return tokens(REJECTED, seed=2)


@pytest.fixture
def logps(chosen: Tokens, rejected: Tokens) -> PairLogps:
    references = tokens(CHOSEN, seed=3).sums.detach(), tokens(REJECTED, seed=4).sums.detach()
    return PairLogps(chosen.sums, rejected.sums, *references, chosen.lengths, rejected.lengths)


def gradients(loss: Tensor, chosen: Tokens, rejected: Tokens) -> Tensor:
    found = torch.autograd.grad(loss, (chosen.logps, rejected.logps), retain_graph=True, materialize_grads=True)
    return torch.cat([grad * side.mask for grad, side in zip(found, (chosen, rejected), strict=True)])


def assert_same(ours: Tensor, theirs: Tensor, chosen: Tokens, rejected: Tokens) -> None:
    torch.testing.assert_close(ours, theirs, **NEAR)
    expected = gradients(theirs, chosen, rejected)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(gradients(ours, chosen, rejected), expected, **NEAR)


class TestDPOTrainer:
    def loss(
        self, kind: str, chosen: Tokens, rejected: Tokens, logps: PairLogps, label_smoothing: float = 0.0
    ) -> tuple[Tensor, dict[str, list[float]]]:
        oracle = bare(
            DPOTrainer,
            loss_types=[kind],
            loss_weights=[1.0],
            label_smoothing=label_smoothing,
            f_divergence_type="reverse_kl",
            ld_alpha=None,
            use_weighting=False,
            precompute_ref_logps=True,
        )
        mask = after_a_prompt(torch.cat([chosen.mask, rejected.mask]))
        batch = {
            "input_ids": torch.ones_like(mask),
            "attention_mask": torch.ones_like(mask),
            "completion_mask": mask,
            "ref_chosen_logps": logps.reference_chosen,
            "ref_rejected_logps": logps.reference_rejected,
        }
        model = saying(torch.cat([chosen.logps, rejected.logps]))
        return oracle._compute_loss(model, batch, return_outputs=False), oracle._metrics["eval"]

    @pytest.mark.parametrize(
        ("kind", "label_smoothing", "ours"),
        [
            ("sigmoid", 0.0, partial(dpo_loss, beta=BETA)),
            ("robust", 0.0, partial(robust_dpo_loss, beta=BETA, label_smoothing=0.0)),
            ("robust", 0.2, partial(robust_dpo_loss, beta=BETA, label_smoothing=0.2)),
            ("ipo", 0.0, partial(ipo_loss, beta=BETA)),
            ("hinge", 0.0, partial(hinge_loss, beta=BETA)),
        ],
    )
    def test_loss_and_gradient(
        self,
        kind: str,
        label_smoothing: float,
        ours: Callable[[PairLogps], PreferenceTerms],
        chosen: Tokens,
        rejected: Tokens,
        logps: PairLogps,
    ) -> None:
        theirs, _ = self.loss(kind, chosen, rejected, logps, label_smoothing)
        assert_same(ours(logps).loss.mean(), theirs, chosen, rejected)

    @pytest.mark.parametrize("loss", [dpo_loss, hinge_loss])
    def test_rewards(
        self, loss: Callable[..., PreferenceTerms], chosen: Tokens, rejected: Tokens, logps: PairLogps
    ) -> None:
        _, logged = self.loss("sigmoid", chosen, rejected, logps)
        terms = loss(logps, beta=BETA)
        assert terms.chosen_rewards.mean().item() == pytest.approx(logged["rewards/chosen"][0], abs=1e-5)
        assert terms.rejected_rewards.mean().item() == pytest.approx(logged["rewards/rejected"][0], abs=1e-5)
        assert terms.margins.mean().item() == pytest.approx(logged["rewards/margins"][0], abs=1e-5)

    def test_the_sft_term_of_one_completion(self, chosen: Tokens, rejected: Tokens, logps: PairLogps) -> None:
        for i in range(N):
            first, second = (Tokens(side.logps[i : i + 1], side.mask[i : i + 1]) for side in (chosen, rejected))
            theirs, _ = self.loss("sft", first, second, logps)
            torch.testing.assert_close(sft_loss(logps.policy_chosen, logps.chosen_lengths)[i], theirs, **NEAR)

    def test_the_sft_term_of_a_batch_weighs_tokens_in_trl(
        self, chosen: Tokens, rejected: Tokens, logps: PairLogps
    ) -> None:
        theirs, _ = self.loss("sft", chosen, rejected, logps)
        ours = sft_loss(logps.policy_chosen, logps.chosen_lengths)
        by_tokens = (ours * chosen.lengths).sum() / chosen.lengths.sum()
        assert_same(by_tokens, theirs, chosen, rejected)
        assert (ours.mean() - theirs).abs().item() > 0.01


@pytest.mark.filterwarnings("ignore:You are importing from 'trl.experimental'")  # CPOTrainer lives nowhere else
class TestCPOTrainer:
    def loss(self, kind: str, chosen: Tensor, rejected: Tensor, **settings: float) -> Tensor:
        trainer = import_module("trl.experimental.cpo").CPOTrainer
        oracle = bare(trainer, loss_type=kind, **{"alpha": 0.0, "label_smoothing": 0.0, "simpo_gamma": 0.0} | settings)
        losses: Tensor = oracle.cpo_loss(chosen, rejected)[0]
        return losses

    def test_simpo(self, chosen: Tokens, rejected: Tokens, logps: PairLogps) -> None:
        means = chosen.sums / chosen.lengths, rejected.sums / rejected.lengths
        theirs = self.loss("simpo", *means, simpo_gamma=0.7)
        ours = simpo_loss(logps, beta=BETA, gamma=0.7).loss
        torch.testing.assert_close(ours, theirs, **NEAR)
        assert_same(ours.mean(), theirs.mean(), chosen, rejected)

    @pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.5])
    def test_conservative_dpo_is_its_loss_of_log_ratios(
        self, label_smoothing: float, chosen: Tokens, rejected: Tokens, logps: PairLogps
    ) -> None:
        ratios = logps.policy_chosen - logps.reference_chosen, logps.policy_rejected - logps.reference_rejected
        theirs = self.loss("sigmoid", *ratios, label_smoothing=label_smoothing)
        ours = cdpo_loss(logps, beta=BETA, label_smoothing=label_smoothing).loss
        torch.testing.assert_close(ours, theirs, **NEAR)
        assert_same(ours.mean(), theirs.mean(), chosen, rejected)


class TestRewardTrainer:
    def loss(self, chosen_rewards: Tensor, rejected_rewards: Tensor, **inputs: Tensor) -> Tensor:
        oracle = bare(RewardTrainer, args=SimpleNamespace(center_rewards_coefficient=None))
        scores = torch.cat([chosen_rewards, rejected_rewards])[:, None]
        loss: Tensor = oracle.compute_loss(lambda **_: SimpleNamespace(logits=scores), inputs)
        return loss

    def test_loss_and_gradient(self, chosen: Tokens, rejected: Tokens) -> None:
        theirs = self.loss(chosen.sums, rejected.sums)
        assert_same(reward_loss(chosen.sums, rejected.sums).mean(), theirs, chosen, rejected)

    def test_with_a_margin(self, chosen: Tokens, rejected: Tokens) -> None:
        margin = torch.tensor([0.0, 0.5, 1.0, 1.5])
        theirs = self.loss(chosen.sums, rejected.sums, margin=margin)
        assert_same(reward_loss(chosen.sums, rejected.sums, margin).mean(), theirs, chosen, rejected)

    def test_dpo_with_a_margin_is_its_loss_of_implicit_rewards(
        self, chosen: Tokens, rejected: Tokens, logps: PairLogps
    ) -> None:
        margin = torch.tensor([0.0, 0.5, 1.0, 1.5])
        terms = dpo_loss(logps, beta=BETA, margin=margin)
        theirs = self.loss(terms.chosen_rewards, terms.rejected_rewards, margin=margin)
        assert_same(terms.loss.mean(), theirs, chosen, rejected)


class TestKTOTrainer:
    @pytest.mark.parametrize("z0_is_positive", [True, False])
    def test_loss_gradient_baseline_and_rewards(
        self, z0_is_positive: bool, chosen: Tokens, rejected: Tokens, logps: PairLogps
    ) -> None:
        sign = 1 if z0_is_positive else -1
        mismatched, mismatched_reference = torch.full((2 * N,), -3.0 + sign), torch.full((2 * N,), -3.0)
        desirable = torch.tensor([True] * N + [False] * N)
        policy = torch.cat([logps.policy_chosen, logps.policy_rejected])
        reference = torch.cat([logps.reference_chosen, logps.reference_rejected])
        oracle = bare(
            KTOTrainer,
            loss_type="kto",
            calculate_KL=True,
            precompute_ref_logps=True,
            desirable_weight=1.2,
            undesirable_weight=0.7,
            _compute_kl_logps=lambda model, batch: mismatched,
        )
        mask = after_a_prompt(torch.cat([chosen.mask, rejected.mask]))
        batch = {
            "input_ids": torch.ones_like(mask),
            "attention_mask": torch.ones_like(mask),
            "completion_mask": mask,
            "label": desirable,
            "ref_logps": reference,
            "ref_KL_logps": mismatched_reference,
        }
        theirs = oracle._compute_loss(saying(torch.cat([chosen.logps, rejected.logps])), batch, return_outputs=False)

        baseline = kto_baseline(mismatched, mismatched_reference)
        terms = kto_loss(
            policy, reference, desirable, baseline, beta=BETA, desirable_weight=1.2, undesirable_weight=0.7
        )

        logged = oracle._metrics["eval"]
        assert baseline.item() == logged["kl"][0]
        assert_same(terms.loss.mean(), theirs, chosen, rejected)
        assert terms.rewards[:N].mean().item() == pytest.approx(logged["rewards/chosen"][0], abs=1e-5)
        assert terms.rewards[N:].mean().item() == pytest.approx(logged["rewards/rejected"][0], abs=1e-5)


class TestGRPOTrainer:
    def test_the_clipped_loss_of_ppo(self, chosen: Tokens, rejected: Tokens) -> None:
        logps, mask = torch.cat([chosen.logps, rejected.logps]), torch.cat([chosen.mask, rejected.mask])
        source = torch.Generator().manual_seed(5)
        old = logps.detach() + torch.randn(logps.shape, generator=source, dtype=logps.dtype) * 0.4
        advantages = torch.randn(logps.shape, generator=source, dtype=logps.dtype)
        oracle = bare(
            GRPOTrainer,
            args=SimpleNamespace(delta=None),
            beta=0.0,
            top_entropy_quantile=1.0,
            off_policy_mask_threshold=None,
            importance_sampling_level="token",
            loss_type="bnpo",
            epsilon_low=0.2,
            epsilon_high=0.2,
            use_vllm=False,
            _entropy_bonus_enabled=False,
            _get_per_token_logps_and_entropies=lambda *_, **__: (logps, torch.zeros_like(logps), None),
        )
        batch = {
            "prompt_ids": torch.ones(2 * N, 1, dtype=torch.long),
            "prompt_mask": torch.ones(2 * N, 1, dtype=torch.long),
            "completion_ids": mask.long(),
            "completion_mask": mask.long(),
            "advantages": advantages,
            "old_per_token_logps": old,
        }
        theirs = oracle._compute_loss(None, batch)

        terms = policy_loss(logps, old, advantages, mask, clip=0.2)

        assert_same(terms.loss.sum() / mask.sum(), theirs, chosen, rejected)
        clipped = oracle._metrics["eval"]["clip_ratio/region_mean"][0]
        assert clipped > 0.1
        assert (terms.clipped.sum() / mask.sum()).item() == pytest.approx(clipped)
