"""Measures of a trained policy: agreement with people, drift from the reference."""

import math
import statistics
from collections.abc import Sequence

import torch
from torch import Tensor

from data.quality.share import SHOWN_CONFIDENCE
from trainer.forward.encoding import TokenPair
from trainer.forward.reference import ReferenceLogps
from trainer.interface.manifest import Agreement, Divergence, Drift, Manner

_LEAST_LENGTH = 16  # tokens; a few nats on a one-word answer would be many nats per token, which means little
_SHOWN = {"mean_length", "eos_rate", "distinct_1", "distinct_2"}


def agreed(pairs: Sequence[TokenPair], *, before: ReferenceLogps, after: ReferenceLogps) -> Agreement:
    """Measure how the ranking of pairs changes from one policy to another, from their log-probabilities."""
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
        chosen_token_shift=float(shift[:, 0].sum() / lengths[:, 0].sum()),
    )


def logps_of(pairs: Sequence[TokenPair], found: ReferenceLogps) -> Tensor:
    """Return the log-probabilities of pairs' chosen and rejected completions, in nats, [N, 2]."""
    return torch.tensor([found[pair.group] for pair in pairs], dtype=torch.float64).reshape(-1, 2)


def drift(kl: Divergence, manner: Manner) -> Drift:
    """Combine a policy's KL to its reference and the style of its answers into a Drift."""
    return Drift(kl_mean=kl.mean, kl_median=kl.median, kl_max=kl.max, **manner.model_dump(include=_SHOWN))


def divergence(ratios: Sequence[float], lengths: Sequence[int]) -> Divergence:
    """Summarise the log ratios of a policy's own answers, in nats, with their lengths in tokens."""
    per_token = [ratio / max(length, _LEAST_LENGTH) for ratio, length in zip(ratios, lengths, strict=True)]
    return Divergence(
        mean=statistics.fmean(ratios),
        median=statistics.median(ratios),
        max=max(ratios),
        seeds=by_seeds_alone(ratios),
        token_mean=sum(ratios) / sum(lengths),
        token_median=statistics.median(per_token),
        token_max=max(per_token),
    )


def by_seeds_alone(ratios: Sequence[float]) -> float | None:
    """Return how far two means of as many log ratios differ by sampling alone, in 95 of 100 cases; None for one ratio.

    The difference of two independent means of n values has the deviation s sqrt(2 / n). s is taken from the policy's
    own answers: close to the other policy, both see the same ratios with the same deviation, about sqrt(2 KL), so with
    n answers the smallest detectable KL is about 15 / n nats per answer.
    """
    if len(ratios) < 2:
        return None
    spread = statistics.stdev(ratios) * math.sqrt(2 / len(ratios))
    return statistics.NormalDist().inv_cdf((1 + SHOWN_CONFIDENCE) / 2) * spread


def _wins(scores: torch.Tensor) -> float:
    """Return the share of rows whose first number is larger; a tie counts half. scores [N, 2]."""
    difference = scores[:, 0] - scores[:, 1]
    return float(((difference > 0).double() + 0.5 * (difference == 0).double()).mean())
