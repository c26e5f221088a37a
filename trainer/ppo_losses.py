"""PPO's arithmetic as pure functions over the tokens of completions. Knows nothing of models or sampling.

Tensors are [B, K], one row a completion, valid where mask [B, K] is true; a row's valid tokens are contiguous and
in order of time. Losses come per token, zero where the mask is false, so that parts of a batch add up.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class PolicyTerms:
    """Per token, each [B, K]: the clipped loss, whether the clip acted, and how far the policy has moved (nats)."""

    loss: Tensor
    clipped: Tensor
    moved: Tensor


def token_rewards(
    scores: Tensor, policy_logps: Tensor, reference_logps: Tensor, mask: Tensor, *, kl_coef: float
) -> Tensor:
    """-kl_coef (log pi - log pi_ref) for every token, and the score [B] at the last (Ziegler 2019, eq. 2)."""
    rewards = -kl_coef * (policy_logps - reference_logps) * mask
    last = mask.shape[1] - 1 - mask.flip(1).int().argmax(1)
    return rewards.scatter_add(1, last[:, None], scores.to(rewards.dtype)[:, None])


def generalised_advantages(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Advantages and returns, each [B, K] (GAE, Schulman 2016, 1506.02438, eq. 16).

    A_t = d_t + gamma lam A_{t+1} with d_t = r_t + gamma V_{t+1} - V_t; beyond a row's last token both are 0.
    Returns are A + V.
    """
    advantages = torch.zeros_like(rewards)
    following = torch.zeros_like(rewards[:, 0])
    next_value = torch.zeros_like(following)
    for t in reversed(range(rewards.shape[1])):
        here = mask[:, t]
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        following = torch.where(here, delta + gamma * lam * following, 0.0)
        next_value = torch.where(here, values[:, t], 0.0)
        advantages[:, t] = following
    return advantages, (advantages + values) * mask


def whiten(x: Tensor, mask: Tensor) -> Tensor:
    """x with mean 0 and deviation 1 over the valid tokens of the whole batch; 0 elsewhere."""
    valid = x[mask]
    spread = valid.std(unbiased=False).clamp(min=1e-8)
    return (x - valid.mean()) / spread * mask


def policy_loss(logps: Tensor, old_logps: Tensor, advantages: Tensor, mask: Tensor, *, clip: float) -> PolicyTerms:
    """-min(r A, clip(r, 1 - e, 1 + e) A), r = pi / pi_old (PPO, Schulman 2017, 1707.06347, eq. 7).

    moved is (r - 1) - log r, an estimate of KL(old || new) that is never negative (Schulman 2020, "Approximating KL").
    """
    log_ratio = (logps - old_logps) * mask
    ratio = log_ratio.exp()
    free, held = -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)
    moved = (ratio - 1 - log_ratio).detach()
    return PolicyTerms(torch.maximum(free, held) * mask, (held > free).detach() & mask, moved * mask)


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, *, clip: float) -> Tensor:
    """max((V - R)^2, (V_old + clip(V - V_old, ±e) - R)^2) / 2, [B, K]: the value moves no faster than the policy.

    As OpenAI's baselines have it; not in the paper.
    """
    held = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * torch.maximum((values - returns) ** 2, (held - returns) ** 2) * mask


def adapt_kl_coef(coef: float, kl: float, *, target: float, horizon: int, steps: int) -> float:
    """The penalty after `steps` completions whose mean KL was `kl` nats (Ziegler 2019, 1909.08593, sec. 2.2).

    coef (1 + e steps / horizon), e the relative error clipped to ±0.2: a proportional controller in log space.
    """
    error = min(0.2, max(-0.2, kl / target - 1))
    return coef * (1 + error * steps / horizon)
