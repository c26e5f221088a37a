"""What a trained policy is like: agreement with people, drift from the reference, the canary that proves serving.

Knows nothing of how it was trained or whether it will serve.
"""

import statistics
from collections.abc import Sequence

import torch
from torch import Tensor

from data.records import Message
from trainer.base import Base
from trainer.logprobs import Forward
from trainer.manifest import Agreement, Canary, Divergence, Drift, Manner
from trainer.memory import Budget
from trainer.packing import Group
from trainer.policy import Policy
from trainer.reference import Reference, group_logps
from trainer.tokens import TokenPair

_CANARY_TOKENS = 24
_STAND_IN: tuple[Message, ...] = ({"role": "user", "content": "How are you?"},)
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
