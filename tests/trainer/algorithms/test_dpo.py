"""DPO training: it learns what is separable, and a stop changes nothing of the result."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from data.errors import RoundError
from tests.trainer.scene import DISLIKED, LIKED, toy_pairs
from trainer.algorithms.dpo import PreferenceObjective, train_on_pairs
from trainer.algorithms.optimizer import learning_rate_at
from trainer.algorithms.training_run import RunContext, StoppedError
from trainer.forward.encoding import TokenPair
from trainer.forward.logprobs import Packed
from trainer.forward.reference import ReferenceLogps, group_logps
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import DPOConfig
from trainer.interface.manifest import Progress
from trainer.interface.round_dir import RoundDir
from trainer.model.base import load_base
from trainer.model.policy import Policy

CONFIG = DPOConfig(epochs=4, batch_size=4, rank=4, alpha=8, checkpoint_every=3, learning_rate=1e-2)
STEPS = 16
PAIRS = toy_pairs(16)


@dataclass
class StopAfter:
    """Says stop when it is asked for the n-th time."""

    asked: int

    def __call__(self) -> bool:
        self.asked -= 1
        return self.asked == 0


@dataclass(frozen=True)
class Training:
    """A run and what it trains."""

    run: RunContext
    objective: PreferenceObjective
    pairs: list[TokenPair]

    @property
    def policy(self) -> Policy:
        return self.objective.policy

    @property
    def directory(self) -> RoundDir:
        return self.run.directory


def train(training: Training) -> int:
    return train_on_pairs(training.run, training.objective, training.pairs)


def reference_of(policy: Policy, pairs: list[TokenPair]) -> ReferenceLogps:
    with policy.reference():
        return group_logps(policy, Packed(), [pair.group for pair in pairs], TokenBudget(8192, print))


@pytest.fixture
def new_run(model_dir: Path, tmp_path: Path) -> Callable[..., Training]:
    """A run with a model of its own, as a new process would have; the directory is kept by name."""

    def make(
        name: str = "run",
        *,
        stop: Callable[[], bool] = lambda: False,
        config: DPOConfig = CONFIG,
        seed: int = 7,
        pairs: list[TokenPair] = PAIRS,
    ) -> Training:
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        directory = RoundDir(path)
        policy = Policy.from_base(load_base(str(model_dir)), rank=config.rank, alpha=config.alpha, seed=seed)
        objective = PreferenceObjective(policy, Packed(), config, reference_of(policy, pairs), None)
        budget = TokenBudget(config.token_budget or 8192, print)
        return Training(RunContext(directory, config, seed, stop, directory.set_progress, budget), objective, pairs)

    return make


def same(first: Policy, second: Policy) -> bool:
    one, two = first.lora.parameters, second.lora.parameters
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_fresh_policy_costs_exactly_ln_2_on_every_pair(new_run: Callable[..., Training]) -> None:
    terms = new_run().objective.terms(PAIRS)
    torch.testing.assert_close(terms.loss, torch.full((16,), math.log(2), dtype=torch.float64), rtol=0, atol=1e-6)


def test_the_first_step_costs_ln_2(new_run: Callable[..., Training]) -> None:
    run = new_run(config=CONFIG.model_copy(update={"batch_size": 16}))
    train(run)
    assert run.directory.metrics()[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)


def test_the_loss_falls_and_the_margin_rises_on_what_is_separable(new_run: Callable[..., Training]) -> None:
    run = new_run()
    assert train(run) == STEPS
    metrics = run.directory.metrics()
    assert metrics[-1]["loss"] < 0.75 * metrics[0]["loss"]
    assert metrics[0]["margin"] == pytest.approx(0, abs=1e-5)
    assert metrics[-1]["margin"] > 0.4
    assert metrics[-1]["accuracy"] == 1.0


def test_what_it_learned_carries_over_to_unseen_pairs(new_run: Callable[..., Training]) -> None:
    run = new_run()
    train(run)
    unseen = toy_pairs(12, seed=99)
    assert LIKED in unseen[0].chosen_ids and DISLIKED in unseen[0].rejected_ids
    before = reference_of(run.policy, unseen)
    with run.policy.acting():
        after = group_logps(run.policy, Packed(), [pair.group for pair in unseen], TokenBudget(8192, print))
    for pair in unseen:
        (chosen, rejected), (chosen_before, rejected_before) = after[pair.group], before[pair.group]
        assert chosen - chosen_before > rejected - rejected_before


def test_the_reference_does_not_move_with_the_policy(new_run: Callable[..., Training]) -> None:
    run = new_run()
    before = reference_of(run.policy, PAIRS)
    train(run)
    assert reference_of(run.policy, PAIRS) == before


@pytest.mark.parametrize("budget", [1, 150])
def test_the_token_budget_changes_memory_and_not_the_gradient(new_run: Callable[..., Training], budget: int) -> None:
    """One step in micro-batches moves the weights as one step in one piece."""
    once = CONFIG.model_copy(update={"epochs": 1, "batch_size": 16})
    whole, parts = (
        new_run("whole", config=once),
        new_run("parts", config=once.model_copy(update={"token_budget": budget})),
    )
    for run in (whole, parts):
        train(run)
    grad = {name: p.grad for name, p in whole.policy.lora.parameters.items()}
    for name, p in parts.policy.lora.parameters.items():
        torch.testing.assert_close(p.grad, grad[name], rtol=1e-4, atol=1e-6)
    assert any(g.abs().max() > 1e-3 for g in grad.values() if g is not None)


def test_a_metrics_line_holds_what_the_pages_draw(new_run: Callable[..., Training]) -> None:
    run = new_run()
    train(run)
    metrics = run.directory.metrics()
    assert [line["step"] for line in metrics] == list(range(1, STEPS + 1))
    for line in metrics:
        assert line["margin"] == pytest.approx(line["chosen_reward"] - line["rejected_reward"])
        assert line["grad_norm"] > 0 and line["tokens_per_second"] > 0


def test_the_learning_rate_warms_up_to_the_peak_and_falls_to_zero() -> None:
    rates = [learning_rate_at(step, 100, CONFIG) for step in range(1, 101)]
    assert rates[0] == pytest.approx(1e-3)
    assert rates[9] == max(rates) == 1e-2
    assert rates[54] == pytest.approx(5e-3)
    assert rates[-1] == 0
    assert all(late < early for early, late in pairwise(rates[9:]))


def test_a_run_of_one_step_learns_at_the_peak() -> None:
    assert learning_rate_at(1, 1, CONFIG) == CONFIG.learning_rate


class TestStopping:
    def test_the_same_run_twice_gives_the_same_bits(self, new_run: Callable[..., Training]) -> None:
        first, second = new_run("first"), new_run("second")
        train(first)
        train(second)
        assert same(first.policy, second.policy)

    def test_another_seed_gives_another_policy(self, new_run: Callable[..., Training]) -> None:
        first, second = new_run("first"), new_run("second", seed=8)
        train(first)
        train(second)
        assert not same(first.policy, second.policy)

    @pytest.mark.parametrize("after", [4, 6, STEPS])
    def test_a_stopped_run_goes_on_to_the_same_bits(self, new_run: Callable[..., Training], after: int) -> None:
        whole = new_run("whole")
        train(whole)
        stopped = new_run("stopped", stop=StopAfter(after))
        with pytest.raises(StoppedError, match=f"stopped after step {after} of {STEPS}"):
            train(stopped)
        again = new_run("stopped")
        assert train(again) == STEPS
        assert same(again.policy, whole.policy)

    def test_the_steps_of_a_stopped_run_are_counted_once(self, new_run: Callable[..., Training]) -> None:
        whole = new_run("whole")
        train(whole)
        with pytest.raises(StoppedError):
            train(new_run("stopped", stop=StopAfter(5)))
        again = new_run("stopped")
        train(again)

        def losses(run: Training) -> list[tuple[float, float]]:
            return [(line["step"], line["loss"]) for line in run.directory.metrics()]

        assert losses(again) == losses(whole)

    def test_steps_after_the_last_checkpoint_are_forgotten_and_done_again(
        self, new_run: Callable[..., Training]
    ) -> None:
        """As a kill leaves it: lines beyond the checkpoint, the last of them torn."""
        whole = new_run("whole")
        train(whole)
        with pytest.raises(StoppedError):
            train(new_run("killed", stop=StopAfter(6)))
        directory = new_run("killed").directory
        with directory.metrics_file.open("a") as stream:
            stream.write(json.dumps({"step": 7, "loss": 99.0}) + "\n" + '{"step": 8, "lo')
        again = new_run("killed")
        train(again)
        assert same(again.policy, whole.policy)
        assert [line["step"] for line in again.directory.metrics()] == list(range(1, STEPS + 1))
        assert max(line["loss"] for line in again.directory.metrics()) < 99

    def test_a_torn_checkpoint_that_was_not_yet_in_place_is_ignored(self, new_run: Callable[..., Training]) -> None:
        run = new_run()
        run.directory.checkpoint.with_suffix(".part").write_bytes(b"torn")
        assert train(run) == STEPS


class TestWhatIsNotFinite:
    def test_a_loss_that_is_not_finite_ends_the_run_in_words(self, new_run: Callable[..., Training]) -> None:
        run = new_run()
        with torch.no_grad():
            next(iter(run.policy.lora.parameters.values())).fill_(math.nan)
        with pytest.raises(RoundError, match=r"loss nan .* is not finite; lower learning_rate in \[training\]"):
            train(run)
        assert run.directory.metrics() == []

    def test_a_learning_rate_beyond_all_measure_is_caught(self, new_run: Callable[..., Training]) -> None:
        run = new_run(config=CONFIG.model_copy(update={"learning_rate": 1e30}))
        with pytest.raises(RoundError, match="is not finite"):
            train(run)


def test_progress_counts_the_steps_and_tells_the_time_left(new_run: Callable[..., Training]) -> None:
    seen: list[Progress] = []
    run = new_run()

    def look() -> bool:
        seen.append(run.directory.progress() or Progress(phase="none"))
        return False

    train(replace(run, run=replace(run.run, stop=look)))
    assert [progress.step for progress in seen] == list(range(1, STEPS + 1))
    assert {progress.phase for progress in seen} == {"training"}
    assert seen[0].seconds_left and seen[-1].seconds_left == 0


def test_equal_pairs_may_stand_in_a_snapshot_twice(new_run: Callable[..., Training]) -> None:
    pair = TokenPair((5, 6), (7, 2), (8, 2))
    assert train(new_run(pairs=[pair] * 6)) == 8
