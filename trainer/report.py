"""What a trained policy is like: held-out accuracy, KL, length, and the canary that proves its serving.

Knows nothing of how it was trained or whether it will serve.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from data.records import FinishReason, Message, Sampling
from trainer.adapter import read_adapter
from trainer.base import Base
from trainer.batching import TokenPair, micro_batches
from trainer.dpo import preference_terms, reference_logps
from trainer.generate import Request, Sampler
from trainer.logprobs import token_logps
from trainer.manifest import Canary
from trainer.policy import Policy

_CANARY_TOKENS = 24
_SAMPLES = 64


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often, and by how much reward, the policy prefers what people chose; None without pairs."""

    accuracy: float | None
    margin: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """Fresh samples against the base: KL in nats a completion, length in tokens, share that ended by EOS."""

    kl_mean: float
    mean_length: float
    eos_rate: float


@torch.no_grad()
def agreement(policy: Policy, pairs: Sequence[TokenPair], *, beta: float, token_budget: int) -> Agreement:
    """Implicit-reward accuracy (ties count half) and mean margin on pairs."""
    if not pairs:
        return Agreement(None, None)
    reference = reference_logps(policy, pairs, token_budget=token_budget)
    margins = torch.cat(
        [
            preference_terms(policy, group, reference, beta=beta)[0].margins
            for group in micro_batches(pairs, token_budget=token_budget)
        ]
    )
    wins = (margins > 0).double() + 0.5 * (margins == 0).double()
    return Agreement(float(wins.mean()), float(margins.mean()))


@torch.no_grad()
def make_canary(policy: Policy, prompt: tuple[Message, ...]) -> Canary:
    """Answer a prompt greedily and note the log-probabilities, with and without the adapter."""
    prompt_ids = policy.base.prompt_ids(prompt, room=_CANARY_TOKENS)
    answer: tuple[int, ...] = ()
    while len(answer) < _CANARY_TOKENS and not (answer and answer[-1] in policy.base.eos_ids):
        ids = torch.tensor([prompt_ids + answer], device=policy.base.model.device)
        logits = policy.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits
        answer += (int(logits[0, -1].argmax()),)
    logprobs, _ = token_logps(policy.model, [(prompt_ids, answer)])
    with policy.reference() as model:
        base_logprobs, _ = token_logps(model, [(prompt_ids, answer)])
    return Canary(
        prompt=prompt,
        token_ids=answer,
        logprobs=tuple(logprobs[0].tolist()),
        base_logprobs=tuple(base_logprobs[0].tolist()),
    )


def drift(
    base: Base, adapter: Path, prompts: Sequence[tuple[Message, ...]], *, sampling: Sampling, seed: int, rank: int
) -> Drift:
    """Sample from a saved adapter at temperature 1 and measure it against the bare base, whose model it takes over.

    KL(policy || base) is the mean of log pi - log pi_base over completions drawn from the policy.
    """
    sampler = Sampler(base, max_adapters=1, max_rank=rank)
    sampler.load("policy", read_adapter(adapter, base.model, max_rank=rank))
    plain = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=sampling.max_new_tokens)
    chosen = random.Random(seed).choices(list(prompts), k=_SAMPLES)
    rows = sampler.generate(
        [
            Request(base.prompt_ids(prompt, room=plain.max_new_tokens), "policy", seed + i, plain)
            for i, prompt in enumerate(chosen)
        ]
    )
    against = [sum(sampler.score(row.request.prompt_ids, tuple(row.token_ids), None)) for row in rows]
    ratios = [sum(row.logprobs) - logp for row, logp in zip(rows, against, strict=True)]
    return Drift(
        kl_mean=sum(ratios) / len(rows),
        mean_length=sum(len(row.token_ids) for row in rows) / len(rows),
        eos_rate=sum(row.finish_reason is FinishReason.STOP for row in rows) / len(rows),
    )
