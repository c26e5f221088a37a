"""Preference losses as pure functions of log-probabilities and rewards.

Every loss returns one number per pair or completion, [N], in nats where it is a likelihood; the caller averages. D is
the reward margin: the chosen completion's implicit reward minus the rejected one's. The argument margin is a constant
in units of reward, one for all pairs or [N], by which D must be larger.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class PairLogps:
    """Summed log-probabilities of N pairs in nats, and the completions' lengths in tokens, at least 1; each [N]."""

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
        """The reward margin D, chosen minus rejected, [N]."""
        return self.chosen_rewards - self.rejected_rewards


@dataclass(frozen=True, slots=True)
class RatingTerms:
    """Per rated completion, each [N]: the loss and the implicit reward."""

    loss: Tensor
    rewards: Tensor


def strength_margins(strengths: Tensor, per_point: float) -> Tensor:
    """Return the required margin of each pair, [N]: per_point for every point of strength above the weakest, 1."""
    return per_point * (strengths - 1)


def dpo_loss(logps: PairLogps, *, beta: float, margin: Tensor | float = 0.0) -> PreferenceTerms:
    """Return the DPO loss, -log sigmoid(D - margin) (Rafailov 2023, 2305.18290, eq. 7).

    The implicit reward is beta (log pi - log pi_ref) (eq. 5, without the term that cancels). With policy equal to
    reference and no margin the loss is ln 2. The margin is the offset of ODPO (Amini 2024, 2402.10571).
    """
    chosen, rejected = _rewards(logps, beta)
    return PreferenceTerms(-F.logsigmoid(chosen - rejected - margin), chosen, rejected)


def cdpo_loss(
    logps: PairLogps, *, beta: float, label_smoothing: float, margin: Tensor | float = 0.0
) -> PreferenceTerms:
    """Return DPO's cross entropy with labels that are wrong with probability e = label_smoothing, in [0, 1/2].

    (1 - e) L(chosen > rejected) + e L(rejected > chosen) with L of `dpo_loss` (conservative DPO, Mitchell 2023, "A
    note on DPO with noisy preferences"). Without margin its minimum is at sigmoid(D) = 1 - e, so it never asks for
    certainty. A flipped label is assumed to have the same strength, so the margin applies in the other direction.
    """
    given = dpo_loss(logps, beta=beta, margin=margin)
    return replace(given, loss=(1 - label_smoothing) * given.loss + label_smoothing * _other_way(given, margin))


def robust_dpo_loss(
    logps: PairLogps, *, beta: float, label_smoothing: float, margin: Tensor | float = 0.0
) -> PreferenceTerms:
    """Return an unbiased estimate of DPO's loss on correct labels, given labels that are wrong with probability e.

    ((1 - e) L(chosen > rejected) - e L(rejected > chosen)) / (1 - 2 e) with L of `dpo_loss` (rDPO, Chowdhury 2024,
    2403.00409). e = label_smoothing is in [0, 1/2): at 1/2 labels carry no information. The loss can be negative and is
    unbounded below: a pair won by far still pulls with slope -e / (1 - 2 e).
    """
    given = dpo_loss(logps, beta=beta, margin=margin)
    loss = (1 - label_smoothing) * given.loss - label_smoothing * _other_way(given, margin)
    return replace(given, loss=loss / (1 - 2 * label_smoothing))


def ipo_loss(logps: PairLogps, *, beta: float, margin: Tensor | float = 0.0) -> PreferenceTerms:
    """Return the IPO loss, ((D - margin - 1/2) / beta)^2 (Azar 2023, 2310.12036, eq. 17).

    Without margin it is (h - 1/(2 beta))^2: beta is the paper's tau, D = beta h, and h the difference of log pi - log
    pi_ref of the two completions, each per token. The paper writes sums, but its results use means, as the authors told
    Hugging Face, and so does TRL: with sums the square grows with length, and no single beta suits short and long
    answers.
    """
    chosen, rejected = _rewards(logps, beta)
    chosen, rejected = chosen / logps.chosen_lengths, rejected / logps.rejected_lengths
    return PreferenceTerms(((chosen - rejected - margin - 0.5) / beta) ** 2, chosen, rejected)


def hinge_loss(logps: PairLogps, *, beta: float, margin: Tensor | float = 0.0) -> PreferenceTerms:
    """Return the hinge loss, max(0, 1 - (D - margin)) (SLiC-HF, Zhao 2023, 2305.10425).

    SLiC-HF compares the policy alone and adds a regularisation term toward its reference; with the reference inside D,
    as in `dpo_loss`, it is the hinge-norm loss of RSO (Liu 2023, 2309.06657).
    """
    chosen, rejected = _rewards(logps, beta)
    return PreferenceTerms(F.relu(1 - (chosen - rejected - margin)), chosen, rejected)


def simpo_loss(logps: PairLogps, *, beta: float, gamma: float, margin: Tensor | float = 0.0) -> PreferenceTerms:
    """Return the SimPO loss, -log sigmoid(D - gamma - margin) (Meng 2024, 2405.14734, eq. 6).

    The rewards are beta log pi / length; the reference is not used. gamma, the paper's target margin, is in units of
    reward.
    """
    chosen = beta * logps.policy_chosen / logps.chosen_lengths
    rejected = beta * logps.policy_rejected / logps.rejected_lengths
    return PreferenceTerms(-F.logsigmoid(chosen - rejected - gamma - margin), chosen, rejected)


def sft_loss(policy_chosen: Tensor, chosen_lengths: Tensor) -> Tensor:
    """Return -log pi(chosen) / length, [N]: the term that RPO adds to DPO's loss (Pang 2024, 2404.19733, eq. 1).

    Every completion has the same weight, as in the paper; in TRL every token has.
    """
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
    """Return the KTO loss of rated completions (Ethayarajh 2024, 2402.01306, sec. 4.1).

    With r = log(pi / pi_ref) it is w (1 - sigmoid(beta (r - z0))) for desirable completions, and w (1 - sigmoid(beta
    (z0 - r))) for undesirable ones. Log-probabilities are summed over a completion, [N]; desirable is a bool [N] that
    also selects the weight w; baseline is z0, a scalar in nats from `kto_baseline`. The reward is beta r.
    """
    rewards = beta * (policy_logps - reference_logps)
    gains = rewards - beta * baseline
    # sigmoid(-x) equals 1 - sigmoid(x) but does not round to 0
    liked, disliked = desirable_weight * torch.sigmoid(-gains), undesirable_weight * torch.sigmoid(gains)
    return RatingTerms(torch.where(desirable, liked, disliked), rewards)


def kto_baseline(policy_logps: Tensor, reference_logps: Tensor) -> Tensor:
    """Return z0 of a whole batch, a scalar in nats without gradient: max(0, mean log-ratio).

    KTO, 2402.01306, sec. 4.1. The logps [N] are of prompts paired with a completion of another prompt. It estimates
    KL(pi || pi_ref), hence >= 0.
    """
    return (policy_logps - reference_logps).detach().mean().clamp(min=0)


def reward_loss(chosen_rewards: Tensor, rejected_rewards: Tensor, margin: Tensor | float = 0.0) -> Tensor:
    """Return the reward model's loss, -log sigmoid(r_w - r_l - margin), [N] (Stiennon 2020, 2009.01325, sec. 3.4).

    The margin is that of Llama 2 (2307.09288).
    """
    return -F.logsigmoid(chosen_rewards - rejected_rewards - margin)


def _rewards(logps: PairLogps, beta: float) -> tuple[Tensor, Tensor]:
    """Return the implicit rewards beta (log pi - log pi_ref) of chosen and rejected, each [N]."""
    chosen = logps.policy_chosen - logps.reference_chosen
    rejected = logps.policy_rejected - logps.reference_rejected
    return beta * chosen, beta * rejected


def _other_way(given: PreferenceTerms, margin: Tensor | float) -> Tensor:
    """Return DPO's loss with chosen and rejected swapped, at the same strength, [N]."""
    return -F.logsigmoid(-given.margins - margin)
