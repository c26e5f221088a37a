"""Each algorithm that learns from pairs: its config trains its loss, and it learns, in however many parts."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from data.errors import RoundError
from tests.trainer.plainly import alone
from tests.trainer.scene import toy_pairs
from trainer.algorithms.dpo import PreferenceObjective, pairwise_loss, train_on_pairs
from trainer.algorithms.losses import PairLogps
from trainer.algorithms.optimizer import LoraOptimizer
from trainer.algorithms.training_run import RunContext
from trainer.forward.encoding import TokenPair
from trainer.forward.logprobs import Packed
from trainer.forward.reference import group_logps
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import (
    CDPOConfig,
    DPOConfig,
    HingeConfig,
    IPOConfig,
    PairwiseConfig,
    RobustConfig,
    SimPOConfig,
    label_smoothing,
)
from trainer.interface.round_dir import RoundDir
from trainer.model.base import Base
from trainer.model.policy import Policy

SHARED: dict[str, Any] = {"epochs": 4, "batch_size": 4, "rank": 4, "alpha": 8, "learning_rate": 1e-2}
FAMILY: list[PairwiseConfig] = [
    DPOConfig(beta=0.3, **SHARED),
    CDPOConfig(algorithm="cdpo", beta=0.3, label_smoothing=0.1, **SHARED),
    RobustConfig(algorithm="robust", beta=0.3, label_smoothing=0.1, **SHARED),
    IPOConfig(algorithm="ipo", beta=0.3, **SHARED),
    HingeConfig(algorithm="hinge", beta=0.3, **SHARED),
    SimPOConfig(algorithm="simpo", beta=2.0, gamma=0.5, **SHARED),
]
PAIRS = toy_pairs(16)
ROOMY = TokenBudget(8192, print)


def name_of(config: PairwiseConfig) -> str:
    return config.algorithm


@pytest.fixture(params=FAMILY, ids=name_of)
def config(request: pytest.FixtureRequest) -> PairwiseConfig:
    found: PairwiseConfig = request.param
    return found


def objective(
    base: Base, config: PairwiseConfig, pairs: list[TokenPair] = PAIRS, *, flip_rate: float | None = None
) -> PreferenceObjective:
    policy = Policy.from_base(base, rank=4, alpha=8, seed=0)
    with policy.reference():
        reference = group_logps(policy, Packed(), [pair.group for pair in pairs], ROOMY)
    return PreferenceObjective(policy, Packed(), config, reference, flip_rate)


def moved(found: PreferenceObjective) -> PreferenceObjective:
    """The same with a policy far from its reference."""
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in found.policy.lora.parameters.values():
            parameter.add_(torch.randn(parameter.shape, generator=source) * 0.1)
    return found


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


CLOSED_FORMS = {
    "dpo": lambda d, m: softplus(m - d),
    "cdpo": lambda d, m: 0.9 * softplus(m - d) + 0.1 * softplus(m + d),
    "robust": lambda d, m: (0.9 * softplus(m - d) - 0.1 * softplus(m + d)) / 0.8,
    "hinge": lambda d, m: max(0.0, 1 - d + m),
}


def test_each_config_trains_the_loss_it_names(config: PairwiseConfig) -> None:
    """Closed forms on one pair: chosen -6 (reference -7) in 4 tokens, rejected -10 (reference -8) in 5."""
    one = [torch.tensor([x], dtype=torch.float64) for x in (-6, -10, -7, -8, 4, 5)]
    margin = 0.25
    loss = float(pairwise_loss(config, PairLogps(*one), torch.tensor([margin], dtype=torch.float64), None).loss)
    if isinstance(config, IPOConfig):
        expected = (1 / 4 - (-2 / 5) - (margin + 0.5) / 0.3) ** 2
    elif isinstance(config, SimPOConfig):
        expected = softplus(0.5 + margin - 2 * (-6 / 4 - (-10 / 5)))
    else:
        expected = CLOSED_FORMS[config.algorithm](0.3 * (1 + 2), margin)
    assert loss == pytest.approx(expected, abs=1e-12)


def test_strength_enters_as_a_margin(base: Base) -> None:
    """Policy and reference are the same, so D is 0 and the loss is softplus of the margin alone."""
    pairs = [replace(pair, strength=strength) for pair, strength in zip(PAIRS, (1.0, 2.0, 3.0, 1.5), strict=False)]
    found = objective(base, DPOConfig(strength_margin=0.4, rank=4), pairs).terms(pairs).loss
    expected = [softplus(m) for m in (0, 0.4, 0.8, 0.2)]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-6)


def test_the_sft_term_is_the_chosen_answers_negative_log_likelihood_per_token(base: Base) -> None:
    pairs = PAIRS[:3]
    bare, with_it = (
        moved(objective(base, DPOConfig(sft_weight=weight, rank=4), pairs)).terms(pairs).loss for weight in (0.0, 0.5)
    )
    policy = moved(objective(base, DPOConfig(rank=4), pairs)).policy
    with torch.no_grad(), policy.acting():
        nll = [float(-alone(policy.model, pair.prompt_ids, pair.chosen_ids)[0].mean()) for pair in pairs]
    assert (with_it - bare).tolist() == pytest.approx([0.5 * x for x in nll], abs=1e-5)


class TestFlippedLabels:
    KINDS = pytest.mark.parametrize("kind", [CDPOConfig, RobustConfig])
    Kind = type[CDPOConfig | RobustConfig]

    @staticmethod
    def of(kind: Kind, smoothing: float | str) -> PairwiseConfig:
        algorithm = "cdpo" if kind is CDPOConfig else "robust"
        return kind.model_validate({"algorithm": algorithm, "label_smoothing": smoothing, "rank": 4})

    @KINDS
    def test_measured_means_the_rate_the_store_measured(
        self, base: Base, kind: type[CDPOConfig] | type[RobustConfig]
    ) -> None:
        measured = moved(objective(base, self.of(kind, "measured"), flip_rate=0.2)).terms(PAIRS).loss
        given = moved(objective(base, self.of(kind, 0.2))).terms(PAIRS).loss
        other = moved(objective(base, self.of(kind, 0.3))).terms(PAIRS).loss
        assert torch.equal(measured, given) and not torch.equal(measured, other)

    @KINDS
    def test_a_number_holds_whatever_was_measured(self, kind: Kind) -> None:
        assert label_smoothing(self.of(kind, 0.1), 0.4) == 0.1  # type: ignore[arg-type]

    @KINDS
    def test_without_a_measured_rate_it_says_what_to_do(
        self, base: Base, kind: type[CDPOConfig] | type[RobustConfig]
    ) -> None:
        with pytest.raises(
            RoundError, match=r"needs to know how often labels are flipped.* set label_smoothing to a number"
        ):
            objective(base, self.of(kind, "measured")).terms(PAIRS)


def test_the_loss_falls_and_the_margin_rises(base: Base, tmp_path: Path, config: PairwiseConfig) -> None:
    directory = RoundDir(tmp_path)
    run = RunContext(directory, config, 7, lambda: False, directory.set_progress, ROOMY)
    assert train_on_pairs(run, objective(base, config), PAIRS) == 16
    metrics = directory.metrics()
    assert metrics[-1]["loss"] < 0.8 * metrics[0]["loss"]
    assert metrics[-1]["margin"] > metrics[0]["margin"] + 0.1
    assert metrics[-1]["accuracy"] == 1.0


def test_a_step_in_parts_has_the_loss_and_the_gradient_of_the_whole(base: Base, config: PairwiseConfig) -> None:
    training = config.model_copy(update={"strength_margin": 0.3, "sft_weight": 0.2})
    pairs = [replace(pair, strength=1.0 + i % 3) for i, pair in enumerate(PAIRS)]
    found = moved(objective(base, training, pairs))
    start = {name: parameter.detach().clone() for name, parameter in found.policy.lora.parameters.items()}

    def step(tokens: int) -> tuple[float, Tensor]:
        with torch.no_grad():
            for name, parameter in found.policy.lora.parameters.items():
                parameter.copy_(start[name])
        learner = LoraOptimizer(
            found.policy.lora.parameters,
            training.model_copy(update={"max_grad_norm": 1e9}),
            steps=1,
            budget=TokenBudget(tokens, print),
        )
        loss = learner.learn(pairs, lambda pair: pair.tokens, found.terms)["loss"]
        return loss, torch.cat([p.grad.flatten() for p in found.policy.lora.parameters.values() if p.grad is not None])

    (whole, expected), *others = step(8192), step(120), step(1)
    assert expected.norm() > 0.01
    for loss, gradient in others:
        assert loss == pytest.approx(whole, rel=1e-5)
        assert (gradient - expected).norm() / expected.norm() < 1e-5
