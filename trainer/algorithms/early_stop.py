"""Early stopping on held-out pairs: end training once their margin has significantly fallen.

With few pairs a margin is mostly noise, but the same pairs at two steps share that noise. So each check compares pair
by pair with the best check so far, and training stops when the mean fall is significant. Used by
trainer/algorithms/training_run.py.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainer.forward.encoding import TokenPair
from trainer.forward.logprobs import Forward
from trainer.forward.reference import ReferenceLogps, group_logps
from trainer.forward.token_budget import TokenBudget
from trainer.interface.intervals import interval_of_mean
from trainer.model.policy import Policy

_FEWEST_PAIRS = 10  # with fewer, a fall is mostly noise
_MOST_PAIRS = 64  # only the first are used, so that a check costs little compared with the steps between two checks


@dataclass(frozen=True, slots=True)
class Watch:
    """Held-out pairs to check during a run. checks: how often, evenly spaced, the last after the last step.

    gains: returns, for each pair, by how many nats the margin log pi(chosen) - log pi(rejected) grew over the
    reference. say: receives messages for people.
    """

    checks: int
    gains: Callable[[], Sequence[float]]
    say: Callable[[str], None]


def watch_heldout(
    policy: Policy,
    forward: Forward,
    pairs: Sequence[TokenPair],
    reference: ReferenceLogps,
    budget: TokenBudget,
    *,
    checks: int,
    say: Callable[[str], None],
) -> Watch | None:
    """Create a watch over held-out pairs; None when there are too few for an interval, or checks is 0."""
    if not checks or len(pairs) < _FEWEST_PAIRS:
        return None
    groups = [pair.group for pair in pairs[:_MOST_PAIRS]]

    def gains() -> list[float]:
        with policy.acting():
            found = group_logps(policy, forward, groups, budget)
        return [_gap(found[group]) - _gap(reference[group]) for group in groups]

    return Watch(checks, gains, say)


class EarlyStop:
    """Checks held-out pairs during training, keeps the weights of the best check, and restores them after a fall.

    Its state is part of the run's checkpoint, so a resumed run stops where it would have stopped.
    """

    def __init__(self, watch: Watch, parameters: Mapping[str, nn.Parameter], *, steps: int) -> None:
        self.stopped = False
        self._watch = watch
        self._parameters = parameters
        self._looks = {-(-steps * number // watch.checks) for number in range(1, watch.checks + 1)}
        self._best: Sequence[float] = ()
        self._best_step = 0
        self._weights: dict[str, Tensor] = {}

    @torch.no_grad()
    def look(self, step: int) -> dict[str, float]:
        """Check the held-out pairs if this step is due; returns metrics for the step and may end the run."""
        if step not in self._looks:
            return {}
        gains = self._watch.gains()
        margin = statistics.fmean(gains)
        if not self._best or margin > statistics.fmean(self._best):
            self._best, self._best_step = gains, step
            self._weights = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}
        elif surely_fallen(self._best, gains):
            self._go_back(step, margin)
        return {"heldout_margin": margin}

    def _go_back(self, step: int, margin: float) -> None:
        for name, weights in self._weights.items():
            self._parameters[name].copy_(weights)
        self.stopped = True
        self._watch.say(
            f"training ended after step {step}: the margin on {len(self._best)} held-out pairs had certainly fallen, "
            f"from {statistics.fmean(self._best):.2f} to {margin:.2f} nats; "
            f"the weights of step {self._best_step} are kept"
        )

    def state(self) -> dict[str, Any]:
        """Return everything needed to resume."""
        return {
            "stopped": self.stopped,
            "best": list(self._best),
            "best_step": self._best_step,
            "weights": self._weights,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.stopped, self._best, self._best_step = state["stopped"], state["best"], state["best_step"]
        self._weights = state["weights"]


def surely_fallen(before: Sequence[float], now: Sequence[float]) -> bool:
    """Return whether the gains of the same pairs fell: the 95 % interval of the mean fall lies above zero."""
    fall = interval_of_mean([then - here for then, here in zip(before, now, strict=True)])
    return fall is not None and fall.low > 0


def _gap(logps: tuple[float, ...]) -> float:
    chosen, rejected = logps
    return chosen - rejected
