"""The reward model: starts indifferent, learns what people chose, and claims the odds it has."""

from pathlib import Path

import pytest
import torch

from tests.trainer.plainly import alone
from tests.trainer.scene import toy_pairs
from trainer.algorithms.reward import RewardModel, calibration_error, report_reward_model, train_reward_model
from trainer.algorithms.training_run import RunContext
from trainer.forward.logprobs import Packed
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import RewardConfig
from trainer.interface.round_dir import RoundDir
from trainer.model.base import Base
from trainer.model.lora import LoraStack

CONFIG = RewardConfig(epochs=6, batch_size=4, learning_rate=1e-2, rank=4, alpha=8)
PAIRS = toy_pairs(16)
BUDGET = TokenBudget(8192, print)


def fresh(base: Base) -> RewardModel:
    return RewardModel.fresh(base, LoraStack(base.model), CONFIG, Packed(), seed=0)


def trained(base: Base, path: Path, config: RewardConfig = CONFIG) -> RewardModel:
    model, directory = fresh(base), RoundDir(path)
    run = RunContext(directory, config, 0, lambda: False, directory.set_progress, TokenBudget(8192, print))
    train_reward_model(run, config, model, PAIRS)
    return model


def scores(model: RewardModel) -> torch.Tensor:
    return model.scores([pair.group for pair in PAIRS], BUDGET)


def test_a_fresh_one_scores_everything_zero(base: Base) -> None:
    assert not scores(fresh(base)).any()


def test_the_first_loss_is_ln_2_and_it_falls(base: Base, tmp_path: Path) -> None:
    trained(base, tmp_path)
    metrics = RoundDir(tmp_path).metrics()
    assert metrics[0]["loss"] == pytest.approx(0.6931472, abs=1e-6)
    assert metrics[-1]["loss"] < 0.3
    assert metrics[-1]["accuracy"] == 1.0


def test_it_ranks_pairs_it_has_not_seen(base: Base, tmp_path: Path) -> None:
    worth = report_reward_model(trained(base, tmp_path), PAIRS, toy_pairs(12, seed=99), BUDGET)
    assert worth.train_accuracy == 1.0
    assert worth.heldout_accuracy is not None and worth.heldout_accuracy > 0.9


def test_without_held_out_pairs_it_claims_nothing_of_them(base: Base) -> None:
    worth = report_reward_model(fresh(base), PAIRS, [], BUDGET)
    assert (worth.heldout_accuracy, worth.calibration_error) == (None, None)


def test_a_strong_choice_asks_for_a_margin(base: Base, tmp_path: Path) -> None:
    strong = [pair.__class__(pair.prompt_ids, pair.chosen_ids, pair.rejected_ids, 3.0) for pair in PAIRS]
    config = CONFIG.model_copy(update={"strength_margin": 0.5, "epochs": 1})
    directory = RoundDir(tmp_path)
    run = RunContext(directory, config, 0, lambda: False, directory.set_progress, TokenBudget(8192, print))
    train_reward_model(run, config, fresh(base), strong)
    expected = torch.nn.functional.softplus(torch.tensor(1.0))  # -log sigmoid(0 - 0.5 (3 - 1))
    assert directory.metrics()[0]["loss"] == pytest.approx(float(expected), abs=1e-6)


def test_scores_have_mean_zero_and_deviation_one_on_what_it_trained_on(base: Base, tmp_path: Path) -> None:
    found = scores(trained(base, tmp_path))
    assert found.mean().item() == pytest.approx(0, abs=1e-4)
    assert found.std().item() == pytest.approx(1, abs=1e-4)


def test_what_is_saved_scores_the_same(base: Base, tmp_path: Path) -> None:
    model = trained(base, tmp_path)
    model.save(tmp_path / "reward")
    again = RewardModel.load(tmp_path / "reward", base, LoraStack(base.model), Packed())
    assert torch.equal(scores(again), scores(model))
    assert again.scale == model.scale


def test_a_score_is_the_head_on_the_state_at_the_last_token(base: Base, tmp_path: Path) -> None:
    model = trained(base, tmp_path)
    head = model.parameters["head"]
    with torch.no_grad(), LoraStack(base.model).acting(model.lora):
        plain = [
            float(alone(base.model, pair.prompt_ids, ids)[2] @ head)
            for pair in PAIRS
            for ids in (pair.chosen_ids, pair.rejected_ids)
        ]
    expected = [(score - model.scale.mean) / model.scale.deviation for score in plain]
    assert scores(model).tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("tokens", [1, 90])
def test_scores_are_the_same_in_however_many_parts(base: Base, tmp_path: Path, tokens: int) -> None:
    model = trained(base, tmp_path)
    found = model.scores([pair.group for pair in PAIRS], TokenBudget(tokens, print))
    torch.testing.assert_close(found, scores(model), rtol=0, atol=1e-5)


def test_computing_layers_again_changes_no_gradient(base: Base, tmp_path: Path) -> None:
    model = trained(base, tmp_path)

    def gradient() -> torch.Tensor:
        raw = model.raw_scores([pair.group for pair in PAIRS[:3]])
        weights = torch.arange(len(raw), dtype=raw.dtype)
        grads = torch.autograd.grad((raw * weights).sum(), list(model.parameters.values()))
        return torch.cat([grad.flatten() for grad in grads])

    kept = gradient()
    model.recompute_above = 0
    torch.testing.assert_close(gradient(), kept, rtol=1e-5, atol=1e-6)


def test_the_base_is_untouched_by_it(base: Base, tmp_path: Path) -> None:
    ids = torch.arange(6, 20)[None]
    before = base.model(input_ids=ids).logits
    trained(base, tmp_path)
    assert torch.equal(base.model(input_ids=ids).logits, before)


class TestCalibration:
    def test_a_model_that_cannot_tell_claims_nothing(self) -> None:
        assert calibration_error(torch.zeros(7)) == 0

    def test_a_case_worked_by_hand(self) -> None:
        """Four claims of 0.95, one of them wrong, and two of 0.65, both right; each once mirrored.

        In the bins from 0.9 and from 0: |3.8 - 3| and |0.2 - 1|; from 0.6 and from 0.3: |1.3 - 2| and |0.7 - 0|.
        """
        sure, rather = torch.logit(torch.tensor([0.95, 0.65], dtype=torch.float64))
        found = calibration_error(torch.stack([sure, sure, sure, -sure, rather, rather]))
        assert found == pytest.approx((0.8 + 0.8 + 0.7 + 0.7) / 12)

    def test_one_claim_that_is_never_wrong_is_off_by_what_it_concedes(self) -> None:
        margin = torch.logit(torch.tensor(0.75)).expand(40)
        assert calibration_error(margin) == pytest.approx(0.25)

    def test_a_claim_that_holds_as_often_as_it_says_is_calibrated(self) -> None:
        margin = torch.logit(torch.tensor(0.75))
        assert calibration_error(torch.tensor([margin, margin, margin, -margin])) == pytest.approx(0, abs=1e-6)

    def test_odds_drawn_as_claimed_are_calibrated_and_doubled_ones_are_not(self) -> None:
        source = torch.Generator().manual_seed(0)
        margins = torch.randn(20_000, generator=source) * 2
        right = torch.rand(20_000, generator=source) < torch.sigmoid(margins)
        seen = torch.where(right, margins, -margins)
        assert calibration_error(seen) < 0.02
        assert calibration_error(3 * seen) > 0.08
