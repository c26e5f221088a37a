"""Optimiser steps for any loss: gradient accumulation within the token budget, clipping, learning rate schedule.

A loss that is not finite, or has exploded, ends the run before the weights are changed.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from data.errors import RoundError
from trainer.forward.token_budget import TokenBudget, peak_memory_mb
from trainer.interface.config import Fitting

_Item = TypeVar("_Item")

_EXPLODED = 100.0  # the loss limit, as a multiple of 1 + the first loss (which alone may be near zero)


@dataclass(frozen=True, slots=True)
class Terms:
    """Result of a loss on n items: the loss [n], differentiable, and metric columns, each [n]."""

    loss: Tensor
    columns: Mapping[str, Tensor] = field(default_factory=dict)


class LoraOptimizer:
    """AdamW over named parameters, for a fixed number of steps; `step` counts the completed ones."""

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], config: Fitting, *, steps: int, budget: TokenBudget
    ) -> None:
        self.step = 0
        self.steps = steps
        self._parameters = parameters
        self._config = config
        self._budget = budget
        self._first_loss: float | None = None
        self._optimizer = torch.optim.AdamW(parameters.values(), lr=config.learning_rate, weight_decay=0.0)

    def learn(
        self, items: Sequence[_Item], size: Callable[[_Item], int], terms: Callable[[Sequence[_Item]], Terms]
    ) -> dict[str, float]:
        """Make one step on the mean loss of items; size gives an item's tokens. Returns the step's metrics.

        Raises RoundError when loss or gradient is not finite or has exploded (before the weights are changed), or
        when not even a single item fits into memory.
        """
        began = time.monotonic()

        def backward(part: list[_Item]) -> dict[str, Tensor]:
            found = terms(part)
            # divided by the items of the whole batch, so that the parts' gradients add up to that of the mean
            (found.loss.sum() / len(items)).backward()  # type: ignore[no-untyped-call]
            return {"loss": found.loss.detach(), **{name: column.detach() for name, column in found.columns.items()}}

        self._optimizer.zero_grad()
        parts = self._budget.each(items, size, backward, again=self._optimizer.zero_grad)
        metrics = {name: float(torch.cat([part[name] for part in parts]).double().mean()) for name in parts[0]}
        norm = float(nn.utils.clip_grad_norm_(self._parameters.values(), self._config.max_grad_norm))
        self._check(metrics["loss"], norm)
        self.step += 1
        rate = learning_rate_at(self.step, self.steps, self._config)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        return metrics | {
            "learning_rate": rate,
            "grad_norm": norm,
            "tokens_per_second": sum(map(size, items)) / (time.monotonic() - began),
            "memory_mb": peak_memory_mb(),
        }

    def state(self) -> dict[str, Any]:
        """Return everything needed to resume: weights, optimiser, counters."""
        return {
            "step": self.step,
            "budget": self._budget.tokens,
            "first_loss": self._first_loss,
            "weights": {name: tensor.detach().clone() for name, tensor in self._parameters.items()},
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned. Raises ValueError when it has other parameters."""
        shapes = {name: parameter.shape for name, parameter in self._parameters.items()}
        if {name: value.shape for name, value in state["weights"].items()} != shapes:
            raise ValueError("it is of another adapter")
        with torch.no_grad():
            for name, value in state["weights"].items():
                self._parameters[name].copy_(value)
        self._optimizer.load_state_dict(state["optimizer"])
        self.step, self._first_loss = state["step"], state["first_loss"]
        self._budget.tokens = min(self._budget.tokens, state["budget"])  # it may have been lowered before or since

    def _check(self, loss: float, norm: float) -> None:
        step = self.step + 1
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise RoundError(
                f"step {step}: loss {loss} with gradient norm {norm} is not finite; lower learning_rate in [training]"
            )
        if self._first_loss is None:
            self._first_loss = abs(loss)
        if loss > _EXPLODED * (1 + self._first_loss):
            raise RoundError(
                f"step {step}: the loss has exploded, from {self._first_loss:.3g} to {loss:.3g}; "
                "lower learning_rate in [training]"
            )


def learning_rate_at(step: int, steps: int, config: Fitting) -> float:
    """Return the learning rate: linear warm-up to the peak, then a half cosine to zero; step counts from 1."""
    warmup = max(1, round(config.warmup * steps))
    if step <= warmup:
        return config.learning_rate * step / warmup
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
