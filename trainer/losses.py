"""Losses as pure functions of log-probabilities and rewards. Knows nothing of models, tokens or optimisers.

Every function takes and gives one number per pair or completion, [N]; the caller takes the mean.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class PairLogps:
    """Summed log-probabilities of N pairs in nats, and the completions' lengths in tokens, each [N]."""

    policy_chosen: Tensor
    policy_rejected: Tensor
    reference_chosen: Tensor
    reference_rejected: Tensor
    chosen_lengths: Tensor
    rejected_lengths: Tensor


@dataclass(frozen=True, slots=True)
class PreferenceTerms:
    """Per pair, each [N]: the loss, and the implicit rewards of the chosen and the rejected completion."""

    loss: Tensor
    chosen_rewards: Tensor
    rejected_rewards: Tensor

    @property
    def margins(self) -> Tensor:
        """How much more reward the chosen completion has, [N]."""
        return self.chosen_rewards - self.rejected_rewards


@dataclass(frozen=True, slots=True)
class RatingTerms:
    """Per rated completion, each [N]: the loss and the implicit reward."""

    loss: Tensor
    rewards: Tensor


def strength_margins(strengths: Tensor, per_point: float) -> Tensor:
    """The margin by which a choice must win, [N]: so much reward for every point of strength above the weakest, 1."""
    return per_point * (strengths - 1)


def dpo_loss(logps: PairLogps, *, beta: float, margin: Tensor | float = 0.0) -> PreferenceTerms:
    """-log sigmoid(D - margin), D the margin of implicit rewards (DPO, Rafailov 2023, 2305.18290, eq. 7).

    The implicit reward is beta (log pi - log pi_ref) (eq. 5, without the term that cancels). With policy equal to
    reference and no margin the loss is ln 2. The margin is ODPO's offset (Amini 2024, 2402.10571, eq. 5).
    """
    chosen, rejected = _rewards(logps, beta)
    return PreferenceTerms(-F.logsigmoid(chosen - rejected - margin), chosen, rejected)


def cdpo_loss(
    logps: PairLogps, *, beta: float, label_smoothing: float, margin: Tensor | float = 0.0
) -> PreferenceTerms:
    """DPO's cross entropy with labels that are flipped with probability e = label_smoothing (Mitchell 2023).

    -(1 - e) log sigmoid(D) - e log sigmoid(-D); least where sigmoid(D) = 1 - e.
    """
    chosen, rejected = _rewards(logps, beta)
    by = chosen - rejected - margin
    loss = -(1 - label_smoothing) * F.logsigmoid(by) - label_smoothing * F.logsigmoid(-by)
    return PreferenceTerms(loss, chosen, rejected)


def robust_dpo_loss(
    logps: PairLogps, *, beta: float, label_smoothing: float, margin: Tensor | float = 0.0
) -> PreferenceTerms:
    """An unbiased estimate of DPO's loss on clean labels from labels flipped with probability e (Chowdhury 2024).

    (-(1 - e) log sigmoid(D) + e log sigmoid(-D)) / (1 - 2 e) (2403.00409, eq. 12); it may be negative.
    """
    chosen, rejected = _rewards(logps, beta)
    by = chosen - rejected - margin
    loss = -(1 - label_smoothing) * F.logsigmoid(by) + label_smoothing * F.logsigmoid(-by)
    return PreferenceTerms(loss / (1 - 2 * label_smoothing), chosen, rejected)


def ipo_loss(logps: PairLogps, *, beta: float, margin: Tensor | float = 0.0) -> PreferenceTerms:
    """(h - margin - 1/(2 beta))^2, h the margin of log-ratios per token (IPO, Azar 2023, 2310.12036, eq. 17).

    beta is the paper's tau. The paper writes sums over a completion; its authors' results, and TRL, take means over
    tokens, without which the square grows with length. The rewards are the log-ratios per token.
    """
    chosen = (logps.policy_chosen - logps.reference_chosen) / logps.chosen_lengths
    rejected = (logps.policy_rejected - logps.reference_rejected) / logps.rejected_lengths
    return PreferenceTerms((chosen - rejected - margin - 1 / (2 * beta)) ** 2, chosen, rejected)


def hinge_loss(logps: PairLogps, *, beta: float, margin: Tensor | float = 0.0) -> PreferenceTerms:
    """max(0, 1 - D + margin), D the margin of implicit rewards (SLiC-HF, Zhao 2023, 2305.10425; RSO, 2309.06657)."""
    chosen, rejected = _rewards(logps, beta)
    return PreferenceTerms(F.relu(1 - (chosen - rejected - margin)), chosen, rejected)


def simpo_loss(logps: PairLogps, *, beta: float, gamma: float, margin: Tensor | float = 0.0) -> PreferenceTerms:
    """-log sigmoid(D - gamma - margin), D of rewards beta log pi / length (SimPO, Meng 2024, 2405.14734, eq. 6).

    The reference is not asked.
    """
    chosen = beta * logps.policy_chosen / logps.chosen_lengths
    rejected = beta * logps.policy_rejected / logps.rejected_lengths
    return PreferenceTerms(-F.logsigmoid(chosen - rejected - gamma - margin), chosen, rejected)


def sft_loss(policy_chosen: Tensor, chosen_lengths: Tensor) -> Tensor:
    """-log pi(chosen) per token, [N]: the term that RPO adds (Pang 2024, 2404.19733, eq. 1)."""
    return -policy_chosen / chosen_lengths


def kto_loss(
    policy_logps: Tensor,
    reference_logps: Tensor,
    desirable: Tensor,
    baseline: Tensor,
    *,
    beta: float,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> RatingTerms:
    """w (1 - sigmoid(±(beta r - beta z0))), r = log pi - log pi_ref (KTO, Ethayarajh 2024, 2402.01306, eq. 8).

    desirable is a bool [N]: plus and desirable_weight where true, minus and undesirable_weight where not. baseline
    is z0, a scalar without gradient, from `kto_baseline`.
    """
    rewards = beta * (policy_logps - reference_logps)
    gained = rewards - beta * baseline
    worth = torch.sigmoid(torch.where(desirable, gained, -gained))
    weight = torch.where(desirable, desirable_weight, undesirable_weight).to(worth.dtype)
    return RatingTerms(weight * (1 - worth), rewards)


def kto_baseline(policy_logps: Tensor, reference_logps: Tensor) -> Tensor:
    """z0, a scalar in nats: max(0, mean log-ratio) over prompts with another prompt's completion (KTO, sec. 4.1)."""
    return (policy_logps - reference_logps).mean().clamp(min=0).detach()


def reward_loss(chosen_rewards: Tensor, rejected_rewards: Tensor, margin: Tensor | float = 0.0) -> Tensor:
    """-log sigmoid(r_w - r_l - margin), [N] (Stiennon 2020, 2009.01325, sec. 3.4; the margin: Llama 2, 2307.09288)."""
    return -F.logsigmoid(chosen_rewards - rejected_rewards - margin)


def _rewards(logps: PairLogps, beta: float) -> tuple[Tensor, Tensor]:
    """Implicit rewards of chosen and rejected, each [N]."""
    return (
        beta * (logps.policy_chosen - logps.reference_chosen),
        beta * (logps.policy_rejected - logps.reference_rejected),
    )
