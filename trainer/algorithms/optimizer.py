"""One optimiser step after another, whatever the loss: gradients in parts, clipping, learning rate.

A loss that is not finite, or has exploded, ends the run before the weights are touched. Knows nothing of
preferences, rewards or files.
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

_EXPLODED = 100.0  # times one more than the first loss, which may be near zero


@dataclass(frozen=True, slots=True)
class Terms:
    """What a loss says of n items: loss [n], differentiable, and columns of numbers to watch, each [n]."""

    loss: Tensor
    columns: Mapping[str, Tensor] = field(default_factory=dict)


class LoraOptimizer:
    """AdamW over named parameters, for a known number of steps; `step` counts those that are done."""

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
        """One step on the mean loss of items; size is an item's tokens. Returns the step's metrics.

        Raises RoundError when loss or gradient is not finite or has exploded (the weights are still good), or
        when memory does not hold a single item.
        """
        began = time.monotonic()

        def backward(part: list[_Item]) -> dict[str, Tensor]:
            found = terms(part)
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
        """All that going on from here needs: weights, optimiser, counters."""
        return {
            "step": self.step,
            "budget": self._budget.tokens,
            "first_loss": self._first_loss,
            "weights": {name: tensor.detach().clone() for name, tensor in self._parameters.items()},
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave. Raises ValueError when that was of other parameters."""
        shapes = {name: parameter.shape for name, parameter in self._parameters.items()}
        if {name: value.shape for name, value in state["weights"].items()} != shapes:
            raise ValueError("it is of another adapter")
        with torch.no_grad():
            for name, value in state["weights"].items():
                self._parameters[name].copy_(value)
        self._optimizer.load_state_dict(state["optimizer"])
        self.step, self._first_loss = state["step"], state["first_loss"]
        self._budget.tokens = min(self._budget.tokens, state["budget"])  # lowered then, or since

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
    """Linear warm-up to the peak, then half a cosine to zero; step counts from 1."""
    warmup = max(1, round(config.warmup * steps))
    if step <= warmup:
        return config.learning_rate * step / warmup
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
