"""The data of `prefloop model check`: what a model can do, how fast it is here, and the settings it would get.

Runs the checks of a server's start (model_check.py), then a few seconds of sampling and a training step at three
lengths. The command line prints it.
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
_ANSWER = 24  # tokens of each timed answer
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Step:
    """One training step on a pair of this many packed tokens; memory_mb: its activations, as measured per token."""

    tokens: int
    seconds: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class ModelReport:
    """The report. steps: at the lengths that the context and the free memory allow."""

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
    """Run all checks and measurements. Raises ModelError for what the model cannot do."""
    say("one LoRA step ...")
    trained = check_training(base, rank=training.rank)
    template = check_template(base)
    say("sampling ...")
    sampler = new_sampler(base, rows=_ROWS, max_adapters=1, max_rank=training.rank)
    check_sampling(sampler, trained)
    pace = _pace(base, sampler)
    way = sampler.way
    del sampler  # frees what it holds beside the weights
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
    """Measure tokens per second with all rows in use on a short question, prefill included."""
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
    """Measure the seconds of a forward and backward pass; the optimiser's share is negligible."""
    began = time.monotonic()
    with policy.acting():
        loss: Any = forward.token_logps(policy.model, [short_pair(tokens)]).sum()
    loss.backward()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.monotonic() - began
