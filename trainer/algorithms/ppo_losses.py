"""PPO's arithmetic as pure functions over the tokens of completions.

Tensors are [B, K], one row per completion, valid where mask [B, K] is true; a row's valid tokens are contiguous and in
order, padded on the left or on the right. Padding is never read, and results are 0 there. Losses are per token, so that
a batch can be split into parts: sum them, and divide by the valid tokens of the whole batch for its mean.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# As in Ziegler's released code (lm-human-preferences): keeps whitening from amplifying rounding errors of equal values.
_LEAST_VARIANCE = 1e-8

_MOST_ERROR = 0.2


@dataclass(frozen=True, slots=True)
class PolicyTerms:
    """Per token, each [B, K]: the loss, whether clipping removed its gradient, and how far the policy moved (nats)."""

    loss: Tensor
    clipped: Tensor
    moved: Tensor


def token_rewards(
    scores: Tensor, policy_logps: Tensor, reference_logps: Tensor, mask: Tensor, *, kl_coef: float
) -> Tensor:
    """Return the reward of every token: the KL penalty, plus the score on the last one (Ziegler 2019, eq. 2).

    1909.08593. The penalty is -kl_coef (log pi - log pi_ref), scores are [B]; summed over a row this is
    score - kl_coef log(pi / pi_ref). A row without tokens gets 0.
    """
    last = mask & ~F.pad(mask[:, 1:], (0, 1))
    penalties = _valid(-kl_coef * (policy_logps - reference_logps), mask)
    return penalties + _valid(scores[:, None].to(penalties.dtype), last)


def generalised_advantages(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Return advantages A and returns A + V (GAE, Schulman 2016, 1506.02438, eq. 16).

    A_t = d_t + gamma lam A_{t+1} with d_t = r_t + gamma V_{t+1} - V_t. values [B, K] are of the state before each
    token; after a row's last token both value and advantage are 0.
    """
    advantages = torch.zeros_like(rewards)
    advantage = next_value = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantage = _valid(delta + gamma * lam * advantage, mask[:, t])
        next_value = _valid(values[:, t], mask[:, t])
        advantages[:, t] = advantage
    return advantages, _valid(advantages + values, mask)


def whiten(x: Tensor, mask: Tensor) -> Tensor:
    """Scale x to mean 0 and deviation 1 over all valid tokens; call it on the whole batch, before splitting."""
    tokens = mask.sum()
    centred = _valid(x - _valid(x, mask).sum() / tokens, mask)
    return centred * torch.rsqrt(centred.square().sum() / tokens + _LEAST_VARIANCE)


def policy_loss(logps: Tensor, old_logps: Tensor, advantages: Tensor, mask: Tensor, *, clip: float) -> PolicyTerms:
    """Return PPO's clipped loss, -min(r A, clip(r, 1 - e, 1 + e) A), r = pi / pi_old, e = clip.

    Schulman 2017, 1707.06347, eq. 7. moved is (r - 1) - log r; its mean over tokens of the old policy estimates KL(old
    || new), and it is never negative (k3 of Schulman 2020, "Approximating KL divergence").
    """
    log_ratio = _valid(logps - old_logps, mask)
    gain = _valid(advantages, mask)
    ratio = log_ratio.exp()
    free, held = -gain * ratio, -gain * ratio.clamp(1 - clip, 1 + clip)
    moved = torch.expm1(log_ratio) - log_ratio  # exp(x) - 1 would round a small step's x^2 / 2 away
    return PolicyTerms(torch.maximum(free, held), held > free, moved.detach())


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, *, clip: float) -> Tensor:
    """Return the clipped value loss, max((V - R)^2, (V_old + clip(V - V_old, -e, e) - R)^2) / 2, [B, K].

    Not in the PPO paper, but in OpenAI's baselines and in the code of Ziegler 2019.
    """
    values, old_values, returns = (_valid(x, mask) for x in (values, old_values, returns))
    held = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * torch.maximum((values - returns).square(), (held - returns).square())


def adapt_kl_coef(coef: float, kl: float, *, target: float, horizon: int, steps: int) -> float:
    """Return the new KL coefficient after `steps` completions with mean KL `kl` (Ziegler 2019, 1909.08593, sec. 2.2).

    coef (1 + e steps / horizon) with e = kl / target - 1, clipped to ±0.2: a proportional controller in log space,
    whose gain steps / horizon is the paper's K_beta = 0.1. kl and target are per completion.
    """
    error = min(_MOST_ERROR, max(-_MOST_ERROR, kl / target - 1))
    return coef * (1 + error * steps / horizon)


def _valid(x: Tensor, mask: Tensor) -> Tensor:
    """Return x where mask, else 0, even where x is not finite there; its gradient is 0 there too."""
    return torch.where(mask, x, 0.0)
