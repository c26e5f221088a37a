"""The course of a run through its directory: checkpoints, stops, memory that runs out, and what it refuses."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from data.errors import RoundError
from trainer.algorithms.optimizer import Terms
from trainer.algorithms.training_run import RunContext, StoppedError, TrainingRun, epoch_batches, fit
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import Fitting
from trainer.interface.manifest import Progress
from trainer.interface.round_dir import RoundDir

CONFIG = Fitting(learning_rate=0.05, epochs=3, batch_size=4, checkpoint_every=2)
ITEMS = [float(i) for i in range(10)]  # three batches an epoch, the last of two
STEPS = 9


@dataclass
class Toy:
    """A weight that a run pulls to the mean of its items; `spoil` changes the loss of a step."""

    run: RunContext
    spoil: Callable[[int], float] = lambda _: 1.0
    weight: nn.Parameter = field(default_factory=lambda: nn.Parameter(torch.zeros(2)))
    batches: list[list[float]] = field(default_factory=list)

    def fit(self) -> int:
        def prepare(batch: Sequence[float]) -> Callable[[Sequence[float]], Terms]:
            self.batches.append(list(batch))
            return lambda part: Terms(
                self.spoil(len(self.batches)) * ((self.weight - torch.tensor(part)[:, None]) ** 2).sum(1)
            )

        return fit(self.run, {"w": self.weight}, ITEMS, lambda _: 1, prepare)


def run_in(path: Path, stop: Callable[[], bool] = lambda: False, *, tokens: int = 100) -> RunContext:
    path.mkdir(exist_ok=True)
    directory = RoundDir(path)
    return RunContext(directory, CONFIG, 7, stop, directory.set_progress, TokenBudget(tokens, print))


def stop_after(path: Path, step: int) -> Callable[[], bool]:
    return lambda: len(RoundDir(path).metrics()) == step


def step_of(run: RunContext) -> int:
    return int(torch.load(run.directory.checkpoint, weights_only=True)["step"])


class TestBatches:
    def test_every_item_comes_once_an_epoch(self) -> None:
        batches = list(epoch_batches(ITEMS, 4, 7, 0))
        assert [len(batch) for batch in batches] == [4, 4, 2]
        assert sorted(item for batch in batches for item in batch) == ITEMS

    def test_every_epoch_and_every_seed_has_an_order_of_its_own(self) -> None:
        orders = [tuple(*epoch_batches(ITEMS, 10, seed, epoch)) for seed in (7, 8) for epoch in (0, 1)]
        assert len({*orders, tuple(ITEMS)}) == 5

    def test_an_order_depends_on_seed_and_epoch_alone(self) -> None:
        assert list(epoch_batches(ITEMS, 4, 7, 1)) == list(epoch_batches(ITEMS, 4, 7, 1))


@pytest.mark.parametrize(("least", "steps"), [(0, 9), (8, 9), (9, 9), (20, 20)])
def test_epochs_are_repeated_until_there_are_least_steps(tmp_path: Path, least: int, steps: int) -> None:
    run = replace(run_in(tmp_path), config=CONFIG.model_copy(update={"min_steps": least}))
    toy = Toy(run)
    assert toy.fit() == steps == len(toy.batches)
    assert toy.batches[:STEPS] == [batch for epoch in range(3) for batch in epoch_batches(ITEMS, 4, 7, epoch)]


class TestCheckpoints:
    def test_one_is_written_every_so_many_steps(self, tmp_path: Path) -> None:
        seen = []
        run = run_in(tmp_path)
        watching = replace(run, tell=lambda now: seen.append((now.step, run.directory.checkpoint.exists())))
        assert Toy(watching).fit() == STEPS
        assert seen[:4] == [(0, False), (1, False), (2, False), (3, True)]
        assert step_of(run) == 8

    @pytest.mark.parametrize("step", [1, 3, 4, STEPS])
    def test_a_stopped_run_has_one_of_the_step_it_stopped_at(self, tmp_path: Path, step: int) -> None:
        toy = Toy(run_in(tmp_path, stop_after(tmp_path, step)))
        with pytest.raises(StoppedError, match=f"stopped after step {step} of {STEPS}; starting again goes on"):
            toy.fit()
        assert step_of(toy.run) == step

    @pytest.mark.parametrize("step", [1, 3, 4, STEPS])
    def test_going_on_sees_the_batches_that_were_left_and_ends_at_the_same_weight(
        self, tmp_path: Path, step: int
    ) -> None:
        whole = Toy(run_in(tmp_path / "whole"))
        whole.fit()
        with pytest.raises(StoppedError):
            Toy(run_in(tmp_path / "part", stop_after(tmp_path / "part", step))).fit()
        again = Toy(run_in(tmp_path / "part"))
        assert again.fit() == STEPS
        assert again.batches == whole.batches[step:]
        assert torch.equal(again.weight, whole.weight)

    def test_what_an_algorithm_keeps_comes_back(self, tmp_path: Path) -> None:
        first = TrainingRun(run_in(tmp_path), {"w": nn.Parameter(torch.zeros(2))}, steps=3)
        assert first.kept == {}
        first.kept["kl_coef"] = 0.125
        first.checkpoint(every=1)
        assert TrainingRun(run_in(tmp_path), {"w": nn.Parameter(torch.zeros(2))}, steps=3).kept == {"kl_coef": 0.125}

    @pytest.mark.parametrize(
        "parameters",
        [
            {"w": nn.Parameter(torch.ones(5, 2))},  # torch would repeat the two numbers
            {"w": nn.Parameter(torch.ones(3))},
            {"v": nn.Parameter(torch.ones(2))},
            {"w": nn.Parameter(torch.ones(2)), "v": nn.Parameter(torch.ones(2))},
        ],
    )
    def test_that_of_another_adapter_is_refused_and_changes_nothing(
        self, tmp_path: Path, parameters: dict[str, nn.Parameter]
    ) -> None:
        Toy(run_in(tmp_path)).fit()
        with pytest.raises(RoundError, match=r"checkpoint\.pt cannot be resumed from \(it is of another adapter\)"):
            TrainingRun(run_in(tmp_path), parameters, steps=STEPS)
        assert all(bool((parameter == 1).all()) for parameter in parameters.values())

    @pytest.mark.parametrize("kept", [0, 7, 200])
    def test_a_damaged_one_is_refused_with_the_way_out(self, tmp_path: Path, kept: int) -> None:
        toy = Toy(run_in(tmp_path))
        toy.fit()
        checkpoint = toy.run.directory.checkpoint
        checkpoint.write_bytes(checkpoint.read_bytes()[:kept])
        with pytest.raises(RoundError, match=r"checkpoint\.pt cannot be resumed from .*remove it to train"):
            Toy(run_in(tmp_path)).fit()
        checkpoint.unlink()
        assert Toy(run_in(tmp_path)).fit() == STEPS


class TestWhatGoesWrong:
    @pytest.mark.parametrize(
        ("factor", "words"), [(math.nan, "step 6: loss nan .* is not finite"), (1e6, "step 6: the loss has exploded")]
    )
    def test_the_last_good_checkpoint_stays(self, tmp_path: Path, factor: float, words: str) -> None:
        toy = Toy(run_in(tmp_path), lambda step: factor if step == 6 else 1.0)
        with pytest.raises(RoundError, match=words):
            toy.fit()
        assert step_of(toy.run) == 4
        assert [line["step"] for line in toy.run.directory.metrics()] == [1, 2, 3, 4, 5]
        whole = Toy(run_in(tmp_path / "whole"))
        whole.fit()
        again = Toy(run_in(tmp_path))
        again.fit()
        assert torch.equal(again.weight, whole.weight)

    def test_memory_that_runs_out_halves_the_budget_once_and_changes_nothing(self, tmp_path: Path) -> None:
        whole = Toy(run_in(tmp_path / "whole"))
        whole.fit()
        said: list[str] = []

        def too_much(_: int) -> float:
            if run.budget.tokens > 2:
                raise torch.OutOfMemoryError("full")
            return 1.0

        run = replace(run_in(tmp_path / "short"), budget=TokenBudget(4, said.append))
        short = Toy(run, too_much)
        short.fit()
        assert said == ["out of memory: going on with 2 tokens at a time"]
        torch.testing.assert_close(short.weight, whole.weight, rtol=0, atol=1e-6)

    def test_a_halved_budget_is_kept_in_the_checkpoint(self, tmp_path: Path) -> None:
        run = run_in(tmp_path, stop_after(tmp_path, 3), tokens=4)
        run.budget.tokens = 2
        with pytest.raises(StoppedError):
            Toy(run).fit()
        again = run_in(tmp_path, tokens=4)
        Toy(again).fit()
        assert again.budget.tokens == 2


class TestProgress:
    def test_it_counts_the_steps_and_tells_the_time_left(self, tmp_path: Path) -> None:
        seen: list[Progress] = []
        Toy(replace(run_in(tmp_path), tell=seen.append, phase="reward model")).fit()
        assert [(now.step, now.steps, now.phase) for now in seen] == [
            (step, STEPS, "reward model") for step in range(STEPS + 1)
        ]
        assert seen[0].seconds_left is None
        left = [now.seconds_left for now in seen[1:]]
        assert all(seconds is not None and seconds > 0 for seconds in left[:-1]) and left[-1] == 0

    def test_the_time_left_is_the_pace_of_this_try(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ten seconds a step; those before the stop were none of this try's."""
        with pytest.raises(StoppedError):
            Toy(run_in(tmp_path, stop_after(tmp_path, 4))).fit()
        seen: list[Progress] = []
        now = 0.0

        def clock() -> float:
            return now

        def tick(_: int) -> float:
            nonlocal now
            now += 10
            return 1.0

        monkeypatch.setattr("trainer.algorithms.training_run.time.monotonic", clock)
        Toy(replace(run_in(tmp_path), tell=seen.append), tick).fit()
        assert [progress.step for progress in seen] == [4, 5, 6, 7, 8, 9]
        assert [progress.seconds_left for progress in seen] == [None, 40, 30, 20, 10, 0]
