"""The sampling rule: compute each row's token probabilities and draw from them.

Order of operations and results are those of transformers' logits processors: repetition penalty (CTRL, Keskar
2019, 1909.05858, sec. 4.1), temperature, top-k (Fan 2018, 1805.04833), top-p (Holtzman 2020, 1904.09751). Every
operation works row by row, so rows do not affect each other. The sampler passes logits and random numbers.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from data.records import Sampling


def penalised(logits: Tensor, samplings: Sequence[Sampling], seen: Sequence[Sequence[int]]) -> Tensor:
    """Apply each row's repetition penalty to logits [B, V], on the ids in seen[row]: its prompt and answer so far."""
    if all(s.repetition_penalty == 1 for s in samplings):
        return logits
    result = logits.clone()
    for row, sampling, ids in zip(result, samplings, seen, strict=True):
        if sampling.repetition_penalty != 1:
            at = torch.tensor(sorted(set(ids)), device=row.device)
            found = row[at]
            penalty = sampling.repetition_penalty
            row[at] = torch.where(found < 0, found * penalty, found / penalty)
    return result


def chances(logits: Tensor, samplings: Sequence[Sampling]) -> Tensor:
    """Return probabilities [B, V]: zero for tokens that top-k or top-p cut off, the rest not renormalised.

    A row with temperature 0 gets those of temperature 1, which are not used.
    """
    temperature = torch.tensor([s.temperature or 1.0 for s in samplings], device=logits.device)
    probs = torch.softmax(logits / temperature[:, None], -1)
    cut = [i for i, s in enumerate(samplings) if s.temperature > 0 and (s.top_p < 1 or s.top_k > 0)]
    if cut:
        probs[cut] = _truncated(probs[cut], [samplings[i] for i in cut])
    return probs


def draw(
    logits: Tensor, samplings: Sequence[Sampling], seen: Sequence[Sequence[int]], uniform: Sequence[float]
) -> list[int]:
    """Draw one token per row from logits [B, V]: greedy, or by inverse CDF of `uniform`, a number in [0, 1) per row."""
    logits = penalised(logits, samplings, seen)
    greedy = [s.temperature == 0 for s in samplings]
    tokens: list[int] = logits.argmax(-1).tolist() if any(greedy) else [0] * len(samplings)
    if all(greedy):
        return tokens
    # float64: in float32 rounding of the sum would lose the tail of a large vocabulary
    cumulative = chances(logits, samplings).cumsum(-1, dtype=torch.float64)
    mass = cumulative[:, -1:]
    target = torch.tensor(uniform, dtype=torch.float64, device=logits.device)[:, None] * mass
    target = torch.minimum(target, torch.nextafter(mass, torch.zeros_like(mass)))  # the product may round up to mass
    drawn: list[int] = torch.searchsorted(cumulative, target, right=True)[:, 0].tolist()
    return [token if first else other for first, token, other in zip(greedy, tokens, drawn, strict=True)]


def _truncated(probs: Tensor, samplings: Sequence[Sampling]) -> Tensor:
    """Set probabilities [B, V] beyond top-k, and then beyond top-p of what is left, to zero.

    Ties with the k-th are kept; of ties at the edge of the nucleus, the lowest ids are kept.
    """
    size = probs.shape[1]
    kth = torch.tensor([size - min(s.top_k or size, size) for s in samplings], device=probs.device)[:, None]
    tail = torch.tensor([1 - s.top_p for s in samplings], dtype=torch.float64, device=probs.device)[:, None]
    rising = _sorted(probs)
    rising = rising.where(rising >= rising.gather(1, kth), 0)
    cumulative = rising.cumsum(-1, dtype=torch.float64)
    # The nucleus is what remains without the least likely tokens that together hold 1 - top_p; at least one stays.
    first = (cumulative <= tail * cumulative[:, -1:]).sum(-1, keepdim=True).clamp(max=size - 1)
    edge = rising.gather(1, first)
    tied = probs == edge
    room = size - first - (rising > edge).sum(-1, keepdim=True)
    keep = (probs > edge) | (tied & (tied.cumsum(-1) <= room))
    return probs.where(keep, 0)


def _sorted(probs: Tensor) -> Tensor:
    """Sort values [B, V] ascending. On the CPU by numpy, 20 times faster than torch (32,000 values: 0.15 ms)."""
    if probs.device.type == "cpu":
        return torch.from_numpy(np.sort(probs.numpy(), axis=-1))
    return probs.sort(-1).values
