"""A training run with metrics, progress, checkpoints, stopping and resuming, for any loss.

A run is a function of its data, settings and seed: killed and started again, it resumes from its last checkpoint and
ends with the same weights.
"""

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar

import torch
from torch import nn

from data.errors import RoundError
from trainer.algorithms.early_stop import EarlyStop, Watch
from trainer.algorithms.optimizer import LoraOptimizer, Terms
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import Fitting
from trainer.interface.manifest import Progress
from trainer.interface.round_dir import RoundDir

_Item = TypeVar("_Item")
_TermsOf = Callable[[Sequence[_Item]], Terms]


class StoppedError(RoundError):
    """The run was asked to stop; its checkpoint has been written."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run needs besides data: where it writes, how it trains, whom it reports to.

    `stop` is called after every step. `tell` receives the progress, which may go to another directory than the run's.
    """

    directory: RoundDir
    config: Fitting
    seed: int
    stop: Callable[[], bool]
    tell: Callable[[Progress], None]
    budget: TokenBudget
    phase: str = "training"


class TrainingRun:
    """A run in progress, resumed from its checkpoint if there is one. `kept`: extra numbers that an algorithm saves.

    Raises RoundError when the checkpoint is damaged or belongs to another training.
    """

    def __init__(
        self, run: RunContext, parameters: Mapping[str, nn.Parameter], *, steps: int, watch: Watch | None = None
    ) -> None:
        self.learner = LoraOptimizer(parameters, run.config, steps=steps, budget=run.budget)
        self.kept: dict[str, float] = {}
        self._early = None if watch is None else EarlyStop(watch, parameters, steps=steps)
        self._run = run
        if run.directory.checkpoint.exists():
            self._take_up(run.directory.checkpoint)
        self._began, self._at = time.monotonic(), self.learner.step
        run.directory.cut_metrics(self.learner.step)
        self._tell()

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do: all steps are made, or early stopping ended the run."""
        return self.learner.step >= self.learner.steps or (self._early is not None and self._early.stopped)

    def log_step(self, metrics: Mapping[str, float]) -> None:
        """Record the step just made, and check held-out pairs if it is time."""
        seen = {} if self._early is None else self._early.look(self.learner.step)
        self._run.directory.add_metrics({"step": self.learner.step, **metrics, **seen})
        self._tell()

    def checkpoint(self, *, every: int) -> None:
        """Write a checkpoint every so many steps, and when asked to stop.

        Raises StoppedError when asked to stop.
        """
        stopping = self._run.stop()
        if stopping or self.learner.step % every == 0:
            self._save_checkpoint()
        if stopping:
            raise StoppedError(
                f"stopped after step {self.learner.step} of {self.learner.steps}; starting again goes on from there"
            )

    def _tell(self) -> None:
        done, steps = self.learner.step, self.learner.steps
        pace = (time.monotonic() - self._began) / (done - self._at) if done > self._at else None
        left = None if pace is None else pace * max(0, steps - done)
        self._run.tell(Progress(phase=self._run.phase, step=done, steps=steps, seconds_left=left))

    def _take_up(self, checkpoint: Path) -> None:
        try:
            state = torch.load(checkpoint, map_location="cpu", weights_only=True)
            self.learner.restore(state)
            self.kept = state["kept"]
            if self._early is not None and "early_stop" in state:
                self._early.restore(state["early_stop"])
        except (RuntimeError, ValueError, KeyError, EOFError, UnpicklingError) as error:
            raise RoundError(
                f"{checkpoint} cannot be resumed from ({error}); remove it to train from the start"
            ) from error

    def _save_checkpoint(self) -> None:
        """Write everything needed to resume, atomically: a kill midway leaves the previous checkpoint."""
        state: dict[str, Any] = {**self.learner.state(), "kept": self.kept}
        if self._early is not None:
            state["early_stop"] = self._early.state()
        part = self._run.directory.checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(self._run.directory.checkpoint)


def fit(
    run: RunContext,
    parameters: Mapping[str, nn.Parameter],
    items: Sequence[_Item],
    size: Callable[[_Item], int],
    prepare: Callable[[Sequence[_Item]], _TermsOf[_Item]],
    *,
    watch: Watch | None = None,
) -> int:
    """Train on items in batches, for the config's epochs and at least its min_steps; returns the number of steps made.

    prepare: receives a whole batch before it is split to fit into memory, and returns the loss of its parts.
    watch: held-out pairs that may end training early.
    Raises StoppedError after a checkpoint when asked to stop, and the errors of LoraOptimizer.learn.
    """
    steps = steps_of(run.config, len(items))
    training = TrainingRun(run, parameters, steps=steps, watch=watch)
    batches = (batch for epoch in count() for batch in epoch_batches(items, run.config.batch_size, run.seed, epoch))
    for batch in islice(batches, training.learner.step, steps):
        if training.ended:
            break
        training.log_step(training.learner.learn(batch, size, prepare(batch)))
        training.checkpoint(every=run.config.checkpoint_every)
    return training.learner.step


def steps_of(config: Fitting, items: int) -> int:
    """Return the optimiser steps of a whole run over this many items: the epochs, but at least min_steps."""
    return max(config.min_steps, config.epochs * math.ceil(items / config.batch_size))


def epoch_batches(items: Sequence[_Item], batch_size: int, seed: int, epoch: int) -> Iterator[list[_Item]]:
    """Yield batches of items shuffled by (seed, epoch) alone, so that a resumed run sees the same batches."""
    order = list(items)
    random.Random(f"{seed}/{epoch}").shuffle(order)
    for at in range(0, len(order), batch_size):
        yield order[at : at + batch_size]
