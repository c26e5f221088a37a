"""Held-out pairs that end a run: only a sure fall does, and a run that was killed ends in the same place."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.trainer.plainly import alone
from tests.trainer.scene import toy_pairs
from trainer.algorithms.early_stop import Watch, surely_fallen, watch_heldout
from trainer.algorithms.optimizer import Terms
from trainer.algorithms.training_run import RunContext, StoppedError, fit
from trainer.forward.logprobs import Packed
from trainer.forward.reference import group_logps
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import Fitting
from trainer.interface.round_dir import RoundDir
from trainer.model.policy import Policy

CONFIG = Fitting(learning_rate=0.05, epochs=3, batch_size=4, checkpoint_every=2)
ITEMS = [float(i) for i in range(10)]
STEPS, CHECKS = 9, 3  # looks after steps 3, 6 and 9
HIGH = [3.0, 1.0, 2.0, 4.0, 3.0, 2.0, 1.0, 4.0, 2.0, 3.0]


def run_in(path: Path, *, stop_at: int = 0) -> RunContext:
    path.mkdir(exist_ok=True)
    directory = RoundDir(path)

    def stop() -> bool:
        return len(directory.metrics()) == stop_at

    return RunContext(directory, CONFIG, 7, stop, directory.set_progress, TokenBudget(100, print))


def by_step(run: RunContext, gains: Sequence[Sequence[float]], said: list[str]) -> Watch:
    """Gains that depend on the step alone: of the first look, the second, the third."""
    return Watch(CHECKS, lambda: gains[len(run.directory.metrics()) // 3], said.append)


def toy(
    run: RunContext, gains: Sequence[Sequence[float]], said: list[str]
) -> tuple[int, torch.Tensor, list[dict[str, float]]]:
    """Steps, weights and metrics of a run that pulls a weight to the mean of its items."""
    weight = nn.Parameter(torch.zeros(2))

    def terms(part: Sequence[float]) -> Terms:
        return Terms(((weight - torch.tensor(part)[:, None]) ** 2).sum(1))

    steps = fit(run, {"w": weight}, ITEMS, lambda _: 1, lambda _: terms, watch=by_step(run, gains, said))
    return steps, weight.detach().clone(), run.directory.metrics()


FALLS = [HIGH, [gain - 1 for gain in HIGH], HIGH]


def test_a_sure_fall_ends_the_run_with_the_weights_of_the_best_look(tmp_path: Path) -> None:
    said: list[str] = []
    steps, weight, metrics = toy(run_in(tmp_path / "falls"), FALLS, said)
    assert steps == len(metrics) == 6
    _, third, _ = toy(run_in(tmp_path / "short"), [[gain - 9 for gain in HIGH], HIGH, HIGH], [])
    assert not torch.equal(weight, third)
    with pytest.raises(StoppedError):
        toy(run_in(tmp_path / "third", stop_at=3), FALLS, [])
    kept = torch.load(tmp_path / "third" / "checkpoint.pt", weights_only=True)["weights"]["w"]
    assert torch.equal(weight, kept)
    assert said == [
        "training ended after step 6: the margin on 10 held-out pairs had certainly fallen, from 2.50 to 1.50 nats; "
        "the weights of step 3 are kept"
    ]
    assert [(row["step"], row["heldout_margin"]) for row in metrics if "heldout_margin" in row] == [(3, 2.5), (6, 1.5)]


def test_a_fall_that_may_be_chance_ends_nothing(tmp_path: Path) -> None:
    mixed = [gain - change for gain, change in zip(HIGH, 5 * (3, -1), strict=True)]
    said: list[str] = []
    assert toy(run_in(tmp_path), [HIGH, mixed, mixed], said)[0] == STEPS
    assert said == []


@pytest.mark.parametrize("stop_at", range(1, 7))
def test_a_run_that_was_stopped_anywhere_ends_in_the_same_place(tmp_path: Path, stop_at: int) -> None:
    steps, weight, metrics = toy(run_in(tmp_path / "whole"), FALLS, [])
    with pytest.raises(StoppedError):
        toy(run_in(tmp_path / "part", stop_at=stop_at), FALLS, [])
    again = replace(run_in(tmp_path / "part"), stop=lambda: False)
    steps_again, weight_again, metrics_again = toy(again, FALLS, [])
    assert (steps_again, [row["step"] for row in metrics_again]) == (steps, [row["step"] for row in metrics])
    assert torch.equal(weight_again, weight)


def test_the_first_pairs_gains_are_those_of_the_plain_computation(policy: Policy) -> None:
    pairs, budget = toy_pairs(10), TokenBudget(8192, print)
    with policy.reference():
        reference = group_logps(policy, Packed(), [pair.group for pair in pairs], budget)
    watch = watch_heldout(policy, Packed(), pairs, reference, budget, checks=1, say=print)
    assert watch is not None

    def gap(index: int) -> float:
        pair = pairs[index]
        sums = [
            float(alone(policy.model, pair.prompt_ids, ids)[0].sum()) for ids in (pair.chosen_ids, pair.rejected_ids)
        ]
        return sums[0] - sums[1]

    with torch.no_grad():
        before = [gap(i) for i in range(10)]
        with policy.acting():
            after = [gap(i) for i in range(10)]
    assert list(watch.gains()) == pytest.approx([a - b for a, b in zip(after, before, strict=True)], abs=1e-4)


def test_too_few_pairs_are_not_watched(policy: Policy) -> None:
    assert watch_heldout(policy, Packed(), toy_pairs(9), {}, TokenBudget(8192, print), checks=3, say=print) is None
    assert watch_heldout(policy, Packed(), toy_pairs(10), {}, TokenBudget(8192, print), checks=0, say=print) is None


def test_what_has_risen_has_not_fallen() -> None:
    assert not surely_fallen(HIGH, [gain + 1 for gain in HIGH])
    assert surely_fallen(HIGH, [gain - 0.1 for gain in HIGH])
