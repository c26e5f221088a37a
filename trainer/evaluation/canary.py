"""The canary: check that a served adapter is the one that was trained, and is applied completely.

The trainer stores an answer with its log-probabilities, with and without the adapter. The server scores the answer
both ways too. The base's difference shows how much rounding alone separates the two forward passes (1e-6 nats per token
in float32, 1e-2 in bfloat16). The adapter may differ by little more, or by a tenth of its own effect, and must change
the answer's log-probabilities as it did in training.
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

# In nats per token, root mean square.
_BASE_TOLERANCE = 0.1  # more than any rounding: must be another base model
_TOLERANCE = 0.02
_ROUNDINGS = 4  # allowed difference as a multiple of the base's
_OF_EFFECT = 0.1  # or as a share of the adapter's effect: a strong one rounds more (0.05 nats in bfloat16, H200)
_EFFECT = 1e-3
_LEAST_SHARE, _MOST_SHARE = 0.5, 1.5


@dataclass(frozen=True, slots=True)
class CanaryAnswer:
    """A conversation and the token ids of an answer to it."""

    prompt: tuple[Message, ...]
    token_ids: tuple[int, ...]


@torch.no_grad()
def make_canary(policy: Policy, forward: Forward, answers: Sequence[CanaryAnswer]) -> Canary:
    """Create the canary: of a few answers, the one whose log-probabilities training changed most.

    At least one answer is needed; where no prompt leaves room for its answer, a fixed question replaces the prompt.
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
    """Return the canary's prompt ids as in training, whatever prompt format is in use now."""
    return canary.prompt_ids or base.under(base.former).encode(canary.prompt)


def verify(canary: Canary, *, served: Sequence[float], served_base: Sequence[float]) -> None:
    """Check that a served adapter changes the canary's answer as it did in training.

    served, served_base: the server's log-probabilities of the answer's tokens, with the adapter and without.

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
