"""One step of any loss, and what stops it."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import nn

from data.errors import RoundError
from trainer.algorithms.optimizer import LoraOptimizer, Terms
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import Fitting

CONFIG = Fitting(learning_rate=0.1, warmup=0.0, max_grad_norm=1e9, batch_size=4)
ITEMS = [1.0, 2.0, 3.0, 4.0]


def one(_: float) -> int:
    return 1


def learner(parameter: nn.Parameter, *, tokens: int = 100, steps: int = 10) -> LoraOptimizer:
    return LoraOptimizer({"w": parameter}, CONFIG, steps=steps, budget=TokenBudget(tokens, print))


def squares(parameter: nn.Parameter, scale: float = 1.0) -> Callable[[Sequence[float]], Terms]:
    def terms(part: Sequence[float]) -> Terms:
        loss = scale * (parameter - torch.tensor(part)) ** 2
        return Terms(loss, {"twice": 2 * loss.detach()})

    return terms


@pytest.mark.parametrize("tokens", [1, 2, 3, 100])
def test_the_gradient_is_that_of_the_mean_in_however_many_parts(tokens: int) -> None:
    parameter = nn.Parameter(torch.tensor(0.0))
    metrics = learner(parameter, tokens=tokens).learn(ITEMS, one, squares(parameter))
    assert parameter.grad is not None and parameter.grad.item() == pytest.approx(-5.0)
    assert metrics["grad_norm"] == pytest.approx(5.0)
    assert metrics["loss"] == pytest.approx(7.5)
    assert metrics["twice"] == pytest.approx(15.0)


def test_memory_that_runs_out_changes_nothing_of_the_result() -> None:
    first = True
    parameter = nn.Parameter(torch.tensor(0.0))

    def terms(part: Sequence[float]) -> Terms:
        nonlocal first
        if first and 4.0 not in part:
            first = False
            raise torch.OutOfMemoryError("full")
        return squares(parameter)(part)

    metrics = learner(parameter, tokens=2).learn(ITEMS, one, terms)
    assert metrics["grad_norm"] == pytest.approx(5.0)
    assert not first


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_leaves_the_weights_alone(bad: float) -> None:
    parameter = nn.Parameter(torch.tensor(0.5))
    with pytest.raises(RoundError, match=r"step 1: loss .* is not finite; lower learning_rate in \[training\]"):
        learner(parameter).learn(ITEMS, one, squares(parameter, bad))
    assert parameter.item() == 0.5


def test_a_loss_that_explodes_is_stopped_and_named() -> None:
    parameter = nn.Parameter(torch.tensor(0.0))
    student = learner(parameter)
    student.learn(ITEMS, one, squares(parameter))
    kept = parameter.item()
    with pytest.raises(RoundError, match=r"step 2: the loss has exploded, from 7\.5 to"):
        student.learn(ITEMS, one, squares(parameter, 1e4))
    assert parameter.item() == kept


def test_what_is_restored_goes_on_to_the_same_bits() -> None:
    straight, resumed = (nn.Parameter(torch.tensor(0.0)) for _ in range(2))
    student, first, second = learner(straight), learner(resumed), learner(resumed)
    for _ in range(6):
        student.learn(ITEMS, one, squares(straight))
    for _ in range(3):
        first.learn(ITEMS, one, squares(resumed))
    state = first.state()
    with torch.no_grad():
        resumed.fill_(99.0)
    second.restore(state)
    for _ in range(3):
        second.learn(ITEMS, one, squares(resumed))
    assert second.step == 6
    assert torch.equal(straight, resumed)
