"""The canary: how whoever serves an adapter proves that it is this adapter that answers, and all of it.

The trainer notes an answer with its log-probabilities, with and without the adapter. Whoever serves scores it both
ways too. The base tells how far rounding alone puts the two ways through the model apart (1e-6 nats a token in
float32, 1e-2 in bfloat16): the adapter may be off by little more, or by a tenth of what training moved, and must move
the answer as it did in training.
Knows nothing of engines or versions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from data.errors import AdapterError
from data.records import Message
from trainer.forward.logprobs import Forward
from trainer.forward.packing import Group
from trainer.interface.manifest import Canary
from trainer.model.base import Base
from trainer.model.policy import Policy

_ANSWERS = 16
_TOKENS = 64
_STAND_IN: tuple[Message, ...] = ({"role": "user", "content": "How are you?"},)

# In nats a token, root mean square.
_BASE_TOLERANCE = 0.1  # more than any rounding: another base
_TOLERANCE = 0.02
_ROUNDINGS = 4  # how much farther than the base the adapter may be off
_OF_EFFECT = 0.1  # or how much of what training moved: a strong adapter is rounded more (0.05 nats in bfloat16, H200)
_EFFECT = 1e-3
_LEAST_SHARE, _MOST_SHARE = 0.5, 1.5


@dataclass(frozen=True, slots=True)
class CanaryAnswer:
    """A conversation and the ids of an answer to it."""

    prompt: tuple[Message, ...]
    token_ids: tuple[int, ...]


@torch.no_grad()
def make_canary(policy: Policy, forward: Forward, answers: Sequence[CanaryAnswer]) -> Canary:
    """Of a few answers, the one whose log-probabilities the policy has moved most: the plainest sign of it.

    At least one is needed; where no prompt leaves room for its answer, the first answers a question of our own.
    """
    tried = _readable(policy.base, answers) or [CanaryAnswer(_STAND_IN, answers[0].token_ids[:_TOKENS])]
    groups = [Group(policy.base.encode(answer.prompt), (answer.token_ids,)) for answer in tried]

    def each() -> list[torch.Tensor]:
        return [forward.token_logps(policy.model, [group]).double().cpu() for group in groups]

    with policy.acting():
        trained = each()
    base = each()
    most = max(range(len(tried)), key=lambda i: float((trained[i] - base[i]).norm()))
    return Canary(
        prompt=tried[most].prompt,
        token_ids=tried[most].token_ids,
        logprobs=tuple(trained[most].tolist()),
        base_logprobs=tuple(base[most].tolist()),
        prompt_ids=groups[most].prompt_ids,
    )


def canary_prompt(canary: Canary, base: Base) -> tuple[int, ...]:
    """The canary's prompt as it was read in training, whatever format the model is asked in now."""
    return canary.prompt_ids or base.under(base.former).encode(canary.prompt)


def verify(canary: Canary, *, served: Sequence[float], served_base: Sequence[float]) -> None:
    """See that an adapter, served, does to the canary's answer what it did in training.

    served, served_base: log-probabilities of its tokens with the adapter and without, by whoever serves.

    Raises AdapterError saying how they differ.
    """
    noted, noted_base, here, here_base = (
        torch.tensor(logps, dtype=torch.float64)
        for logps in (canary.logprobs, canary.base_logprobs, served, served_base)
    )
    rounding, off = _rms(here_base - noted_base), _rms(here - noted)
    trained, moved = noted - noted_base, here - here_base
    if not rounding <= _BASE_TOLERANCE:
        raise AdapterError(
            "the base model answers otherwise than where the adapter was trained: log-probabilities are "
            f"{rounding:.3f} nats a token apart"
        )
    if not float(trained.abs().max()) > _EFFECT:
        raise AdapterError("it answers exactly as the base model")
    share = float(moved @ trained / (trained @ trained))
    if not off <= max(_TOLERANCE, _ROUNDINGS * rounding, _OF_EFFECT * _rms(trained)):
        raise AdapterError(
            f"served, it does not answer as the policy that was trained: log-probabilities are {off:.3f} nats a token "
            "apart"
        )
    if not _LEAST_SHARE <= share <= _MOST_SHARE:
        raise AdapterError(
            f"served, it does not answer as the policy that was trained: it moves the answers {share:.0%} as far from "
            "the base"
        )


def _readable(base: Base, answers: Sequence[CanaryAnswer]) -> list[CanaryAnswer]:
    short = [CanaryAnswer(answer.prompt, answer.token_ids[:_TOKENS]) for answer in answers]
    fit = (one for one in short if len(base.encode(one.prompt)) + len(one.token_ids) <= base.context)
    return [one for one, _ in zip(fit, range(_ANSWERS), strict=False)]


def _rms(nats: torch.Tensor) -> float:
    return float(nats.square().mean().sqrt())
