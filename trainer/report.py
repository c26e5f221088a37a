"""What a trained policy is like: agreement with people, drift from the reference, the canary that proves serving.

Knows nothing of how it was trained or whether it will serve.
"""

import random
import statistics
from collections.abc import Sequence
from itertools import pairwise

import torch

from data.records import FinishReason, Message, Sampling
from trainer.adapter import Adapter
from trainer.base import Base
from trainer.generate import Request, Row, Sampler
from trainer.logprobs import Forward
from trainer.manifest import Agreement, Canary, Drift
from trainer.memory import Budget
from trainer.packing import Group
from trainer.policy import Policy
from trainer.reference import Reference, group_logps
from trainer.tokens import TokenPair

_CANARY_TOKENS = 24
_STAND_IN: tuple[Message, ...] = ({"role": "user", "content": "How are you?"},)
_SAMPLES = 64


def agreement(
    policy: Policy, forward: Forward, pairs: Sequence[TokenPair], reference: Reference, budget: Budget
) -> Agreement:
    """How the policy ranks pairs; reference holds the log-probabilities of their groups."""
    if not pairs:
        return Agreement(pairs=0)
    with policy.acting():
        found = group_logps(policy, forward, [pair.group for pair in pairs], budget)
    after = torch.tensor([found[pair.group] for pair in pairs], dtype=torch.float64)
    before = torch.tensor([reference[pair.group] for pair in pairs], dtype=torch.float64)
    lengths = torch.tensor([[len(pair.chosen_ids), len(pair.rejected_ids)] for pair in pairs])
    shift = after - before
    return Agreement(
        pairs=len(pairs),
        accuracy=_wins(shift),
        margin=float((shift[:, 0] - shift[:, 1]).mean()),
        ranking_before=_wins(before / lengths),
        ranking_after=_wins(after / lengths),
        chosen_shift=float(shift[:, 0].mean()),
        rejected_shift=float(shift[:, 1].mean()),
    )


def canary_prompt(base: Base, prompts: Sequence[tuple[Message, ...]]) -> tuple[Message, ...]:
    """The first prompt that leaves room for a canary's answer; a question of our own when none does."""
    room = base.context - _CANARY_TOKENS
    return next((prompt for prompt in prompts if len(base.encode(prompt)) <= room), _STAND_IN)


@torch.no_grad()
def make_canary(policy: Policy, forward: Forward, prompt: tuple[Message, ...]) -> Canary:
    """Answer a prompt greedily and note the log-probabilities, with and without the adapter.

    Raises InputError for a prompt that leaves no room for the answer.
    """
    prompt_ids = policy.base.prompt_ids(prompt, room=_CANARY_TOKENS)
    answer: tuple[int, ...] = ()
    with policy.acting():
        while len(answer) < _CANARY_TOKENS and not (answer and answer[-1] in policy.base.eos_ids):
            ids = torch.tensor([prompt_ids + answer], device=policy.model.device)
            logits = policy.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits
            answer += (int(logits[0, -1].argmax()),)
        group = Group(prompt_ids, (answer,))
        logprobs = forward.token_logps(policy.model, [group])
    base_logprobs = forward.token_logps(policy.model, [group])
    return Canary(
        prompt=prompt,
        token_ids=answer,
        logprobs=tuple(logprobs.tolist()),
        base_logprobs=tuple(base_logprobs.tolist()),
    )


def drift(
    base: Base,
    adapter: Adapter,
    reference: Adapter | None,
    prompts: Sequence[tuple[Message, ...]],
    *,
    max_new_tokens: int,
    seed: int,
) -> Drift:
    """Sample from an adapter at temperature 1 and measure it against the reference (None: the bare base).

    KL(policy || reference) is the mean of log pi - log pi_ref over completions drawn from the policy. A prompt that
    leaves no room for an answer is cut from the left.
    """
    ranks = [found.rank for found in (adapter, reference) if found]
    sampler = Sampler(base, max_adapters=2, max_rank=max(ranks))
    sampler.load("policy", adapter)
    if reference:
        sampler.load("reference", reference)
    plain = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=max_new_tokens)
    ids = [base.encode(prompt)[-(base.context - max_new_tokens) :] for prompt in prompts]
    chosen = random.Random(seed).choices(ids, k=_SAMPLES)
    rows = sampler.generate([Request(prompt, "policy", seed + i, plain) for i, prompt in enumerate(chosen)])
    against = "reference" if reference else None
    return _drift(
        rows, [sum(sampler.score(row.request.prompt_ids, tuple(row.token_ids), against)) for row in rows], base
    )


def _drift(rows: Sequence[Row], reference_logps: Sequence[float], base: Base) -> Drift:
    kl = [sum(row.logprobs) - logp for row, logp in zip(rows, reference_logps, strict=True)]
    words = [base.text(row.token_ids).split() for row in rows]
    return Drift(
        kl_mean=statistics.fmean(kl),
        kl_median=statistics.median(kl),
        kl_max=max(kl),
        mean_length=statistics.fmean(len(row.token_ids) for row in rows),
        eos_rate=statistics.fmean(row.finish_reason is FinishReason.STOP for row in rows),
        distinct_1=_distinct([word for text in words for word in text]),
        distinct_2=_distinct([pair for text in words for pair in pairwise(text)]),
    )


def _distinct(items: Sequence[object]) -> float:
    return len(set(items)) / len(items) if items else 0.0


def _wins(scores: torch.Tensor) -> float:
    """Share of rows whose first number is above the second; a tie counts half. scores [N, 2]."""
    difference = scores[:, 0] - scores[:, 1]
    return float(((difference > 0).double() + 0.5 * (difference == 0).double()).mean())
