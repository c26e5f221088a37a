"""KTO: the rule that makes ratings, and that it learns them."""

import math
from pathlib import Path

import torch

from tests.trainer.scene import DISLIKED, LIKED, freeze, toy_pairs
from trainer.base import Base
from trainer.config import KTOConfig
from trainer.course import Run
from trainer.kto import KTOObjective, examples, ratings_of, train_on_ratings
from trainer.logprobs import Packed
from trainer.memory import Budget
from trainer.policy import Policy
from trainer.reference import group_logps
from trainer.round import run_round
from trainer.round_dir import RoundDir
from trainer.snapshot import SnapshotCompletion, SnapshotLines, SnapshotRating
from trainer.tokens import TokenRating

CONFIG = KTOConfig(algorithm="kto", epochs=6, batch_size=8, learning_rate=1e-2, rank=4, alpha=8)
RATINGS = ratings_of(toy_pairs(16))


def objective(base: Base, ratings: list[TokenRating]) -> tuple[KTOObjective, list]:
    policy = Policy.from_base(base, rank=4, alpha=8, seed=0)
    items = examples(ratings, seed=0, context=base.context)
    groups = [group for item in items for group in (item.rating.group, item.mismatched)]
    with policy.reference():
        reference = group_logps(policy, Packed(), groups, Budget(8192, print))
    return KTOObjective(policy, Packed(), CONFIG, reference), items


def run_in(path: Path) -> Run:
    directory = RoundDir(path)
    return Run(directory, CONFIG, 0, lambda: False, directory.set_progress, Budget(8192, print))


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


def test_a_mismatched_completion_stays_within_the_context() -> None:
    ratings = [TokenRating((5,) * 10, (7, 2), True), TokenRating((5,), (8,) * 11, False)]
    for item in examples(ratings, seed=0, context=12):
        assert item.mismatched.tokens <= 12


def test_a_fresh_policy_gains_nothing_and_costs_a_half(base: Base, tmp_path: Path) -> None:
    kto, items = objective(base, RATINGS)
    terms = kto.prepare(run_in(tmp_path))(items)(items)
    torch.testing.assert_close(terms.loss, torch.full((32,), 0.5, dtype=torch.float64), rtol=0, atol=1e-6)


def test_it_learns_what_is_separable(base: Base, tmp_path: Path) -> None:
    kto, items = objective(base, RATINGS)
    train_on_ratings(run_in(tmp_path), kto, items)
    metrics = RoundDir(tmp_path).metrics()
    assert metrics[-1]["loss"] < 0.9 * metrics[0]["loss"]
    unseen = toy_pairs(8, seed=99)
    groups = [pair.group for pair in unseen]
    with kto.policy.reference():
        before = group_logps(kto.policy, Packed(), groups, Budget(8192, print))
    with kto.policy.acting():
        after = group_logps(kto.policy, Packed(), groups, Budget(8192, print))
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
    with torch.no_grad():
        for parameter in kto.policy.lora.parameters.values():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.05)
    terms = kto.prepare(run_in(tmp_path))(items)

    def gradient(parts: list[list]) -> torch.Tensor:
        total = sum(terms(part).loss.sum() for part in parts)
        grads = torch.autograd.grad(total, list(kto.policy.lora.parameters.values()))
        return torch.cat([grad.flatten() for grad in grads])

    whole, split = gradient([items]), gradient([[item] for item in items])
    assert (whole - split).norm() / whole.norm() < 1e-5
