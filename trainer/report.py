"""What a trained policy is like: agreement with people, drift from the reference.

Knows nothing of how it was trained or whether it will serve.
"""

import statistics
from collections.abc import Sequence

import torch
from torch import Tensor

from trainer.logprobs import Forward
from trainer.manifest import Agreement, Divergence, Drift, Manner
from trainer.memory import Budget
from trainer.policy import Policy
from trainer.reference import Reference, group_logps
from trainer.tokens import TokenPair

_SHOWN = {"mean_length", "eos_rate", "distinct_1", "distinct_2"}


def agreement(
    policy: Policy, forward: Forward, pairs: Sequence[TokenPair], reference: Reference, budget: Budget
) -> Agreement:
    """How the policy ranks pairs; reference holds the log-probabilities of their groups."""
    with policy.acting():
        found = group_logps(policy, forward, [pair.group for pair in pairs], budget)
    return agreed(pairs, before=reference, after=found)


def agreed(pairs: Sequence[TokenPair], *, before: Reference, after: Reference) -> Agreement:
    """How the ranking of pairs changes from one policy to another, by the log-probabilities of their groups."""
    if not pairs:
        return Agreement(pairs=0)
    there, here = logps_of(pairs, before), logps_of(pairs, after)
    lengths = torch.tensor([[len(pair.chosen_ids), len(pair.rejected_ids)] for pair in pairs])
    shift = here - there
    return Agreement(
        pairs=len(pairs),
        accuracy=_wins(shift),
        margin=float((shift[:, 0] - shift[:, 1]).mean()),
        ranking_before=_wins(there / lengths),
        ranking_after=_wins(here / lengths),
        chosen_shift=float(shift[:, 0].mean()),
        rejected_shift=float(shift[:, 1].mean()),
    )


def logps_of(pairs: Sequence[TokenPair], found: Reference) -> Tensor:
    """Log-probabilities of pairs' chosen and rejected completions, in nats, [N, 2]."""
    return torch.tensor([found[pair.group] for pair in pairs], dtype=torch.float64).reshape(-1, 2)


def drift(ratios: Sequence[float], manner: Manner) -> Drift:
    """A policy's own answers against its reference: their log ratios in nats, and how they are."""
    kl = divergence(ratios)
    return Drift(kl_mean=kl.mean, kl_median=kl.median, kl_max=kl.max, **manner.model_dump(include=_SHOWN))


def divergence(ratios: Sequence[float]) -> Divergence:
    """Log ratios of a policy's own answers, in nats, in short."""
    return Divergence(mean=statistics.fmean(ratios), median=statistics.median(ratios), max=max(ratios))


def _wins(scores: torch.Tensor) -> float:
    """Share of rows whose first number is above the second; a tie counts half. scores [N, 2]."""
    difference = scores[:, 0] - scores[:, 1]
    return float(((difference > 0).double() + 0.5 * (difference == 0).double()).mean())
