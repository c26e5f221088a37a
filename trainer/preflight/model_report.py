"""What `prefloop model check` says of a model: what it can do, how quick it is here, and the settings it would get.

The same tries as at a server's start (model_check.py), then a few seconds of sampling and a training step at three
lengths. Knows nothing of how it is shown.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from data.records import Sampling
from trainer.forward.activation_count import short_pair
from trainer.forward.logprobs import Forward
from trainer.forward.memory_choice import choose
from trainer.interface.config import TrainingConfig
from trainer.interface.memory_use import MemoryUse
from trainer.model.base import Base
from trainer.model.policy import Policy
from trainer.preflight.memory_estimate import free_bytes
from trainer.preflight.model_check import (
    QUESTION,
    Template,
    Trained,
    check_sampling,
    check_template,
    check_training,
    explained,
    new_sampler,
)
from trainer.sampling.sampler import Request, Sampler

_LENGTHS = (256, 1024, 4096)  # packed tokens of a pair
_ROWS = 8
_ANSWER = 24  # tokens of each answer that is timed
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Step:
    """One training step on a pair of so many packed tokens; memory is what its activations take, by the count."""

    tokens: int
    seconds: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class ModelReport:
    """All of it. steps: at the lengths that the context and the free memory hold."""

    name: str
    description: str
    parameters: int
    context: int
    dtype: str
    forward: str
    sampling: str
    template: Template
    missing: tuple[str, ...]
    tokens_per_second: float
    max_rows: int
    steps: tuple[Step, ...]
    free_mb: float
    use: MemoryUse
    training: TrainingConfig


def report_model(base: Base, training: TrainingConfig, say: Callable[[str], None]) -> ModelReport:
    """Try everything and measure it. Raises ModelError for what it cannot do."""
    say("one LoRA step ...")
    trained = check_training(base, rank=training.rank)
    template = check_template(base)
    say("sampling ...")
    sampler = new_sampler(base, rows=_ROWS, max_adapters=1, max_rank=training.rank)
    check_sampling(sampler, trained)
    pace = _pace(base, sampler)
    way = sampler.way
    del sampler  # and what it holds beside the weights
    free = free_bytes(base.model.device)
    steps = _steps(base, trained, training, free, say)
    longest = min(base.context, _LENGTHS[-1])
    use = choose(training, trained.activations, longest=longest, free=free, cpu=base.model.device.type == "cpu").use
    return ModelReport(
        name=base.name,
        description=base.describe(),
        parameters=base.model.num_parameters(),
        context=base.context,
        dtype=str(base.model.dtype).removeprefix("torch."),
        forward=trained.reason,
        sampling=way,
        template=template,
        missing=template.missing(),
        tokens_per_second=pace,
        max_rows=_ROWS,
        steps=steps,
        free_mb=free / _MIB,
        use=use,
        training=training,
    )


def _pace(base: Base, sampler: Sampler) -> float:
    """Tokens a second of full rows on a short question, the prompt's reading included."""
    prompt = base.encode(QUESTION)
    requests = [Request(prompt, None, seed, Sampling(max_new_tokens=_ANSWER)) for seed in range(sampler.max_rows)]
    began = time.monotonic()
    with explained(base, "cannot be sampled"):
        rows = sampler.generate(requests)
    return sum(len(row.token_ids) for row in rows) / (time.monotonic() - began)


def _steps(
    base: Base, trained: Trained, training: TrainingConfig, free: int, say: Callable[[str], None]
) -> tuple[Step, ...]:
    policy = Policy.from_base(base, rank=training.rank, alpha=training.alpha, seed=0)
    found = []
    for tokens in _LENGTHS:
        memory = trained.activations.of([tokens])
        if tokens > base.context or 2 * memory > free:
            break
        say(f"a step on {tokens} tokens ...")
        with explained(base, f"cannot be trained on {tokens} tokens"):
            found.append(Step(tokens, _seconds(policy, trained.forward, tokens), memory / _MIB))
    return tuple(found)


def _seconds(policy: Policy, forward: Forward, tokens: int) -> float:
    """Of a pass forward and back; what the optimiser adds is nothing beside it."""
    began = time.monotonic()
    with policy.acting():
        loss: Any = forward.token_logps(policy.model, [short_pair(tokens)]).sum()
    loss.backward()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.monotonic() - began
