"""LoRA DPO, top to bottom: reference once, then epochs of batches, with metrics and checkpoints.

A run is a function of pairs, config and seed; killed and started again it goes on from its last checkpoint
to the same weights. Knows nothing of where pairs come from or where the adapter goes.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from data.errors import RoundError
from trainer.batching import TokenPair, epoch_batches, micro_batches
from trainer.config import DPOConfig
from trainer.logprobs import pair_logps
from trainer.losses import PreferenceTerms, dpo_loss
from trainer.manifest import Progress
from trainer.policy import Policy
from trainer.round_dir import RoundDir

Reference = dict[TokenPair, tuple[float, float]]


class StoppedError(RoundError):
    """The run was asked to stop; its checkpoint is written."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a training run is given. `stop` is asked after every step."""

    policy: Policy
    pairs: Sequence[TokenPair]
    config: DPOConfig
    seed: int
    directory: RoundDir
    stop: Callable[[], bool]

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.config.epochs * math.ceil(len(self.pairs) / self.config.batch_size)


def train(run: Run) -> int:
    """Train run.policy in place; returns the number of steps.

    Raises StoppedError after a checkpoint when asked to stop, RoundError when loss or gradient is not finite.
    """
    optimizer = torch.optim.AdamW(run.policy.parameters, lr=run.config.learning_rate, weight_decay=0.0)
    done = _resume(run, optimizer)
    run.directory.cut_metrics(done)
    run.directory.set_progress(Progress(phase="reference", step=done, steps=run.steps))
    reference = reference_logps(run.policy, run.pairs, token_budget=run.config.token_budget)
    began = time.monotonic()
    for step, batch in _batches(run):
        if step <= done:
            continue
        learning_rate = learning_rate_at(step, run.steps, run.config)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        metrics = _step(run, optimizer, batch, reference)
        seconds_left = (time.monotonic() - began) / (step - done) * (run.steps - step)
        run.directory.add_metrics({"step": step, "learning_rate": learning_rate, **metrics})
        run.directory.set_progress(Progress(phase="training", step=step, steps=run.steps, seconds_left=seconds_left))
        stopping = run.stop()
        if stopping or step % run.config.checkpoint_every == 0:
            _checkpoint(run, optimizer, step)
        if stopping:
            raise StoppedError(f"stopped after step {step} of {run.steps}; starting again goes on from there")
    return run.steps


def learning_rate_at(step: int, steps: int, config: DPOConfig) -> float:
    """Linear warm-up to the peak, then half a cosine to zero; step counts from 1."""
    warmup = max(1, round(config.warmup * steps))
    if step <= warmup:
        return config.learning_rate * step / warmup
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


@torch.no_grad()
def reference_logps(policy: Policy, pairs: Sequence[TokenPair], *, token_budget: int) -> Reference:
    """Log-probabilities (chosen, rejected) of every pair under the reference, by the training forward pass."""
    out: Reference = {}
    with policy.reference() as model:
        for group in micro_batches(pairs, token_budget=token_budget):
            chosen, rejected = pair_logps(model, group)
            out.update(zip(group, zip(chosen.tolist(), rejected.tolist(), strict=True), strict=True))
    return out


def preference_terms(
    policy: Policy, pairs: Sequence[TokenPair], reference: Reference, *, beta: float
) -> tuple[PreferenceTerms, Tensor, Tensor]:
    """DPO terms of N pairs with the policy's log-probabilities (chosen, rejected), each [N]."""
    chosen, rejected = pair_logps(policy.model, pairs)
    against = torch.tensor([reference[pair] for pair in pairs], dtype=chosen.dtype, device=chosen.device)
    return dpo_loss(chosen, rejected, against[:, 0], against[:, 1], beta=beta), chosen, rejected


def _batches(run: Run) -> Iterator[tuple[int, list[TokenPair]]]:
    """(step from 1, pairs) of the whole run."""
    step = 0
    for epoch in range(run.config.epochs):
        for indices in epoch_batches(len(run.pairs), batch_size=run.config.batch_size, seed=run.seed, epoch=epoch):
            step += 1
            yield step, [run.pairs[i] for i in indices]


def _step(
    run: Run, optimizer: torch.optim.Optimizer, batch: Sequence[TokenPair], reference: Reference
) -> dict[str, float]:
    """One optimiser step on a batch, in micro-batches; returns the batch's metrics."""
    began = time.monotonic()
    optimizer.zero_grad()
    rows = []
    for group in micro_batches(batch, token_budget=run.config.token_budget):
        terms, chosen, rejected = preference_terms(run.policy, group, reference, beta=run.config.beta)
        (terms.loss.sum() / len(batch)).backward()  # type: ignore[no-untyped-call]
        columns = (terms.loss, terms.chosen_rewards, terms.rejected_rewards, chosen, rejected)
        rows.append(torch.stack([column.detach() for column in columns], 1))
    norm = float(torch.nn.utils.clip_grad_norm_(run.policy.parameters, run.config.max_grad_norm))
    table = torch.cat(rows)
    loss, chosen_reward, rejected_reward, chosen_logps, rejected_logps = table.mean(0).tolist()
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise RoundError(f"loss {loss} with gradient norm {norm} is not finite; lower the learning rate")
    optimizer.step()
    tokens = sum(2 * len(p.prompt_ids) + len(p.chosen_ids) + len(p.rejected_ids) for p in batch)
    return {
        "loss": loss,
        "margin": chosen_reward - rejected_reward,
        "accuracy": float((table[:, 1] > table[:, 2]).double().mean()),
        "chosen_reward": chosen_reward,
        "rejected_reward": rejected_reward,
        "chosen_logps": chosen_logps,
        "rejected_logps": rejected_logps,
        "grad_norm": norm,
        "tokens_per_second": tokens / (time.monotonic() - began),
    }


def _checkpoint(run: Run, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Write weights, optimiser and step; a kill in between leaves the checkpoint before."""
    part = run.directory.checkpoint.with_suffix(".part")
    torch.save({"step": step, "weights": run.policy.weights(), "optimizer": optimizer.state_dict()}, part)
    part.replace(run.directory.checkpoint)


def _resume(run: Run, optimizer: torch.optim.Optimizer) -> int:
    """Take up the last checkpoint, if there is one; returns the steps that are done."""
    if not run.directory.checkpoint.exists():
        return 0
    state = torch.load(run.directory.checkpoint, weights_only=True, map_location=run.policy.base.model.device)
    run.policy.restore(state["weights"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
