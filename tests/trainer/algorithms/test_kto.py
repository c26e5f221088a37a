"""KTO: the rule that makes ratings, and that it learns them."""

import math
from pathlib import Path

import pytest
import torch

from tests.trainer.plainly import alone
from tests.trainer.scene import DISLIKED, LIKED, freeze, toy_pairs
from trainer.algorithms.kto import KTOExample, KTOObjective, examples, ratings_of, train_on_ratings
from trainer.algorithms.training_run import RunContext
from trainer.forward.encoding import TokenRating
from trainer.forward.logprobs import Packed
from trainer.forward.packing import Group
from trainer.forward.reference import group_logps
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import KTOConfig
from trainer.interface.round_dir import RoundDir
from trainer.interface.snapshot import SnapshotCompletion, SnapshotLines, SnapshotRating
from trainer.model.base import Base
from trainer.model.policy import Policy
from trainer.round import run_round

CONFIG = KTOConfig(algorithm="kto", epochs=6, batch_size=8, learning_rate=1e-2, rank=4, alpha=8)
RATINGS = ratings_of(toy_pairs(16))


def objective(base: Base, ratings: list[TokenRating], **changes: float) -> tuple[KTOObjective, list[KTOExample]]:
    policy = Policy.from_base(base, rank=4, alpha=8, seed=0)
    items = examples(ratings, seed=0, context=base.context)
    groups = [group for item in items for group in (item.rating.group, item.mismatched)]
    with policy.reference():
        reference = group_logps(policy, Packed(), groups, TokenBudget(8192, print))
    return KTOObjective(policy, Packed(), CONFIG.model_copy(update=changes), reference), items


def move(kto: KTOObjective) -> None:
    """Take the policy away from its reference, to where the baseline is above zero."""
    source = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in kto.policy.lora.parameters.values():
            parameter.add_(torch.randn(parameter.shape, generator=source) * 0.05)


def run_in(path: Path) -> RunContext:
    directory = RoundDir(path)
    return RunContext(directory, CONFIG, 0, lambda: False, directory.set_progress, TokenBudget(8192, print))


def test_a_decided_pair_is_a_good_and_a_bad_completion() -> None:
    pair = toy_pairs(1)[0]
    good, bad = ratings_of([pair])
    assert (good.completion_ids, good.desirable) == (pair.chosen_ids, True)
    assert (bad.completion_ids, bad.desirable) == (pair.rejected_ids, False)


def test_every_rating_stands_beside_the_completion_of_another(base: Base) -> None:
    items = examples(RATINGS, seed=3, context=base.context)
    assert sorted(item.rating.completion_ids for item in items) == sorted(r.completion_ids for r in RATINGS)
    for item in items:
        assert item.mismatched.prompt_ids == item.rating.prompt_ids
        assert item.mismatched.completions[0] != item.rating.completion_ids


def test_the_other_completion_is_of_another_prompt() -> None:
    """Four answers to each of three prompts, one after the other as files have them."""
    ratings = [
        TokenRating((5, prompt), (prompt, answer, 2), True) for prompt in (10, 20, 30) for answer in range(6, 10)
    ]
    for seed in range(5):
        for item in examples(ratings, seed=seed, context=64):
            assert item.mismatched.completions[0][0] != item.rating.completion_ids[0]


@pytest.mark.parametrize("count", [2, 3, 7])
def test_ratings_of_one_prompt_stand_beside_each_other(count: int) -> None:
    ratings = [TokenRating((5,), (10 + i, 2), True) for i in range(count)]
    items = examples(ratings, seed=0, context=64)
    assert {item.mismatched.completions[0] for item in items} == {rating.completion_ids for rating in ratings}
    assert all(item.mismatched.completions[0] != item.rating.completion_ids for item in items)


def test_a_rating_alone_stands_beside_itself() -> None:
    (item,) = examples([TokenRating((5,), (10, 2), True)], seed=0, context=64)
    assert item.mismatched.completions == ((10, 2),)


def test_the_order_is_a_function_of_the_seed() -> None:
    assert examples(RATINGS, seed=3, context=512) == examples(RATINGS, seed=3, context=512)
    assert examples(RATINGS, seed=3, context=512) != examples(RATINGS, seed=4, context=512)


def test_a_mismatched_completion_stays_within_the_context() -> None:
    ratings = [TokenRating((5,) * 10, (7, 2), True), TokenRating((5,), (8,) * 11, False)]
    for item in examples(ratings, seed=0, context=12):
        assert item.mismatched.tokens <= 12


def test_a_fresh_policy_gains_nothing_and_costs_a_half(base: Base, tmp_path: Path) -> None:
    kto, items = objective(base, RATINGS)
    terms = kto.prepare(run_in(tmp_path))(items)(items)
    torch.testing.assert_close(terms.loss, torch.full((32,), 0.5, dtype=torch.float64), rtol=0, atol=1e-6)


def test_the_loss_is_the_papers_on_the_plain_computation(base: Base, tmp_path: Path) -> None:
    """w (1 - sigmoid(±beta (r - z0))), z0 the mean log-ratio of the whole batch's mismatches, not below zero."""
    kto, items = objective(base, RATINGS[:6], desirable_weight=1.5, undesirable_weight=0.5)
    move(kto)
    policy = kto.policy

    def log_ratio(group: Group) -> float:
        with torch.no_grad():
            reference = float(alone(policy.model, group.prompt_ids, group.completions[0])[0].double().sum())
            with policy.acting():
                return float(alone(policy.model, group.prompt_ids, group.completions[0])[0].double().sum()) - reference

    z0 = max(0.0, sum(log_ratio(item.mismatched) for item in items) / len(items))
    assert z0 > 0.01
    gains = [CONFIG.summed_beta * (log_ratio(item.rating.group) - z0) for item in items]
    expected = [
        1.5 / (1 + math.exp(gain)) if item.rating.desirable else 0.5 / (1 + math.exp(-gain))
        for gain, item in zip(gains, items, strict=True)
    ]
    terms = kto.prepare(run_in(tmp_path))(items)
    parts = torch.cat([terms(items[:2]).loss, terms(items[2:]).loss])
    assert parts.tolist() == pytest.approx(expected, abs=1e-5)
    assert terms(items[:1]).columns["baseline"].item() == pytest.approx(z0, abs=1e-4)


def test_the_baseline_has_no_gradient(base: Base, tmp_path: Path) -> None:
    """The gradient is -w beta s (1 - s) times that of log pi, s = sigmoid(beta (r - z0)), with nothing from z0."""
    kto, items = objective(base, RATINGS[:6])
    move(kto)
    item = next(item for item in items if item.rating.desirable)
    terms = kto.prepare(run_in(tmp_path))(items)([item])
    parameters = list(kto.policy.lora.parameters.values())

    def flat(total: torch.Tensor) -> torch.Tensor:
        return torch.cat([grad.flatten() for grad in torch.autograd.grad(total, parameters)])

    with kto.policy.acting():
        logp = alone(kto.policy.model, item.rating.prompt_ids, item.rating.completion_ids)[0].sum()
    assert float(terms.columns["baseline"]) > 0.01
    s = 1 - float(terms.loss.detach())
    ours, expected = flat(terms.loss.sum()), -CONFIG.summed_beta * s * (1 - s) * flat(logp)
    assert (ours - expected).norm() / expected.norm() < 1e-4


def test_it_learns_what_is_separable(base: Base, tmp_path: Path) -> None:
    kto, items = objective(base, RATINGS)
    train_on_ratings(run_in(tmp_path), kto, items)
    metrics = RoundDir(tmp_path).metrics()
    assert metrics[-1]["loss"] < 0.9 * metrics[0]["loss"]
    unseen = toy_pairs(8, seed=99)
    groups = [pair.group for pair in unseen]
    with kto.policy.reference():
        before = group_logps(kto.policy, Packed(), groups, TokenBudget(8192, print))
    with kto.policy.acting():
        after = group_logps(kto.policy, Packed(), groups, TokenBudget(8192, print))
    wins = sum(after[g][0] - before[g][0] > after[g][1] - before[g][1] for g in groups)
    assert wins >= 7


def test_a_round_may_hold_ratings_alone(base: Base, tmp_path: Path) -> None:
    """As pairs do whose answers were both bad, and public files of rated answers."""

    def rating(number: int, mark: int) -> SnapshotRating:
        completion = SnapshotCompletion("", (10 + number, mark, mark, 2))
        return SnapshotRating(number, ({"role": "user", "content": f"{number}?"},), completion, mark == LIKED)

    lines = SnapshotLines([], [], [rating(i, mark) for i in range(8) for mark in (LIKED, DISLIKED)], {})
    report = run_round(freeze(tmp_path / "round", base, snapshot=lines, config=CONFIG), lambda: False).report
    assert (report.algorithm, report.rated, report.train.pairs) == ("kto", 16, 0)
    assert math.isfinite(report.drift.kl_mean)


def test_a_batch_in_parts_has_the_gradient_of_the_whole(base: Base, tmp_path: Path) -> None:
    kto, items = objective(base, RATINGS[:8])
    move(kto)
    terms = kto.prepare(run_in(tmp_path))(items)

    def gradient(parts: list[list[KTOExample]]) -> torch.Tensor:
        total = torch.stack([terms(part).loss.sum() for part in parts]).sum()
        grads = torch.autograd.grad(total, list(kto.policy.lora.parameters.values()))
        return torch.cat([grad.flatten() for grad in grads])

    whole, split = gradient([items]), gradient([[item] for item in items])
    assert (whole - split).norm() / whole.norm() < 1e-5
