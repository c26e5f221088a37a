"""PPO: what a rollout batch holds, and that the better arm is found."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from data.records import FinishReason
from tests.trainer.scene import freeze
from trainer.base import Base
from trainer.config import PPOConfig, RewardConfig
from trainer.course import Course, Run
from trainer.logprobs import Packed, completion_logps
from trainer.memory import Budget
from trainer.packing import Group
from trainer.policy import Policy
from trainer.ppo import PPO, Actor
from trainer.round import run_round
from trainer.round_dir import RoundDir

ARM = range(60, 120)  # tokens that pay: a fifth of the vocabulary
PROMPTS = [(6, 9, 12), (30, 31)]
BASIC = {
    "algorithm": "ppo",
    "rank": 4,
    "alpha": 8,
    "learning_rate": 2e-2,
    "rollouts": 32,
    "batch_size": 16,
    "epochs": 12,
}


def paid(ids: Sequence[int]) -> bool:
    return any(token in ARM for token in ids)


class Paid:
    """A reward model that pays for an answer with a token of the arm."""

    def scores(self, groups: Sequence[Group], _: Budget) -> Tensor:
        return torch.tensor([float(paid(ids)) for group in groups for ids in group.completions])


def run_in(path: Path, config: PPOConfig) -> Run:
    path.mkdir(exist_ok=True)
    directory = RoundDir(path)
    return Run(directory, config, 0, lambda: False, directory.set_progress, Budget(8192, print))


def setting(base: Base, path: Path, **changes: object) -> tuple[PPO, Actor, Run]:
    config = PPOConfig.model_validate({**BASIC, "unfinished_penalty": 0.0, **changes})
    actor = Actor(Policy.from_base(base, rank=4, alpha=8, seed=0), Packed())
    run = run_in(path, config)
    return PPO(run, config, actor, Packed(), Paid()), actor, run  # type: ignore[arg-type]


def probability_of_arm(actor: Actor) -> float:
    groups = [Group(prompt, tuple((token,) for token in ARM)) for prompt in PROMPTS]
    with torch.no_grad(), actor.policy.acting():
        return float(completion_logps(Packed(), actor.policy.model, groups).exp().sum()) / len(PROMPTS)


def play(base: Base, path: Path, **changes: object) -> float:
    """The probability of the paid token after training on answers of one token."""
    ppo, actor, run = setting(base, path, **changes)
    config = run.config
    assert isinstance(config, PPOConfig)
    course = Course(run, actor.parameters, steps=config.epochs * config.steps_per_batch)
    for number in range(config.epochs):
        batch = ppo.weigh(ppo.roll_out(PROMPTS, 1, seed=str(number)), kl_coef=config.kl_coef)
        for _ in ppo.learn(course.learner, batch, order=random.Random(number)):
            pass
    return probability_of_arm(actor)


class TestRollouts:
    def test_old_log_probabilities_are_the_policys_own(self, base: Base, tmp_path: Path) -> None:
        ppo, _, _ = setting(base, tmp_path)
        rows = ppo.roll_out(PROMPTS, 6, seed="a")
        batch = ppo.weigh(rows, kl_coef=0.1)
        sampled = [logprob for row in rows for logprob in row.logprobs]
        assert torch.cat([r.old_logps for r in batch.rollouts]).tolist() == pytest.approx(sampled, abs=1e-4)
        assert [ids for r in batch.rollouts for ids in r.group.completions] == [tuple(row.token_ids) for row in rows]
        assert batch.kl == pytest.approx(0, abs=1e-4)
        assert batch.length == pytest.approx(sum(len(row.token_ids) for row in rows) / len(rows))

    def test_samples_of_a_prompt_stand_together(self, base: Base, tmp_path: Path) -> None:
        ppo, _, _ = setting(base, tmp_path, samples_per_prompt=4)
        batch = ppo.weigh(ppo.roll_out(PROMPTS, 3, seed="a"), kl_coef=0.1)
        assert [len(r.group.completions) for r in batch.rollouts] == [4] * 8

    def test_without_discount_a_return_is_the_score_and_the_penalties_to_come(self, base: Base, tmp_path: Path) -> None:
        """lam = gamma = 1 and values 0: the return of every token is the sum of the rewards from it on."""
        ppo, actor, _ = setting(base, tmp_path, lam=1.0, gamma=1.0)
        source = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in actor.policy.lora.parameters.values():
                parameter.add_(torch.randn(parameter.shape, generator=source) * 0.05)
        rows = ppo.roll_out(PROMPTS, 5, seed="a")
        batch = ppo.weigh(rows, kl_coef=0.3)
        returns = iter(torch.cat([r.returns for r in batch.rollouts]).tolist())
        for row in rows:
            group = Group(row.request.prompt_ids, (tuple(row.token_ids),))
            with torch.no_grad():
                reference = Packed().token_logps(actor.policy.model, [group])
                with actor.policy.acting():
                    penalties = -0.3 * (Packed().token_logps(actor.policy.model, [group]) - reference)
            for t in range(len(row.token_ids)):
                expected = float(penalties[t:].sum()) + float(paid(row.token_ids))
                assert next(returns) == pytest.approx(expected, abs=1e-4)

    def test_an_answer_that_was_cut_off_pays(self, base: Base, tmp_path: Path) -> None:
        free, _, _ = setting(base, tmp_path / "free")
        paying, _, _ = setting(base, tmp_path / "paying", unfinished_penalty=2.0)
        rows = free.roll_out(PROMPTS, 3, seed="a")
        cut = sum(row.finish_reason is FinishReason.LENGTH for row in rows) / len(rows)
        assert cut > 0.5
        difference = free.weigh(rows, kl_coef=0.1).score - paying.weigh(rows, kl_coef=0.1).score
        assert difference == pytest.approx(2 * cut, abs=1e-5)


class TestSteps:
    def test_the_first_step_has_moved_nothing(self, base: Base, tmp_path: Path) -> None:
        ppo, actor, run = setting(base, tmp_path)
        batch = ppo.weigh(ppo.roll_out(PROMPTS, 4, seed="a"), kl_coef=0.1)
        course = Course(run, actor.parameters, steps=100)
        first = next(ppo.learn(course.learner, batch, order=random.Random(0)))
        assert first["moved"] == pytest.approx(0, abs=1e-6)
        assert first["clipped"] == 0

    def test_a_batch_in_parts_has_the_gradient_of_the_whole(self, base: Base, tmp_path: Path) -> None:
        gradients = []
        for tokens in (8192, 1):
            ppo, actor, run = setting(base, tmp_path / str(tokens), batch_size=32, learning_rate=1e-9)
            run.budget.tokens = tokens
            batch = ppo.weigh(ppo.roll_out(PROMPTS, 5, seed="a"), kl_coef=0.1)
            course = Course(run, actor.parameters, steps=100)
            next(ppo.learn(course.learner, batch, order=random.Random(0)))
            gradients.append(torch.cat([p.grad.flatten() for p in actor.parameters.values() if p.grad is not None]))
        assert (gradients[0] - gradients[1]).norm() / gradients[0].norm() < 1e-4

    def test_a_policy_that_moves_too_far_ends_the_batch(self, base: Base, tmp_path: Path) -> None:
        ppo, actor, run = setting(base, tmp_path, stop_kl=1e-4, learning_rate=0.1, ppo_epochs=8)
        batch = ppo.weigh(ppo.roll_out(PROMPTS, 4, seed="a"), kl_coef=0.1)
        course = Course(run, actor.parameters, steps=100)
        steps = list(ppo.learn(course.learner, batch, order=random.Random(0)))
        assert len(steps) < 16
        assert steps[-1]["moved"] > 1e-4


class TestBandit:
    @pytest.fixture(autouse=True)
    def able(self, base: Base) -> None:
        """A frozen head that is drawn small cannot say anything with certainty; make it speak up."""
        base.model.get_output_embeddings().weight.mul_(12)

    def test_the_paid_arm_is_found(self, base: Base, tmp_path: Path) -> None:
        before = probability_of_arm(Actor(Policy.from_base(base, rank=4, alpha=8, seed=0), Packed()))
        assert before < 0.3
        assert play(base, tmp_path, kl_coef=0.0, rollouts=128, batch_size=64, epochs=25) > 0.8

    def test_a_dear_reference_keeps_it_at_home(self, base: Base, tmp_path: Path) -> None:
        assert play(base, tmp_path, kl_coef=5.0, rollouts=128, batch_size=64, epochs=25) < 0.4


def test_a_round_learns_to_please_its_reward_model(base: Base, tmp_path: Path) -> None:
    reward = RewardConfig(epochs=6, batch_size=4, learning_rate=1e-2, rank=4, alpha=8)
    config = PPOConfig(**BASIC, reward=reward, kl_target=2.0)  # type: ignore[arg-type]
    directory = freeze(tmp_path / "round", base, config=config)
    report = run_round(directory, lambda: False).report
    metrics = directory.metrics()
    assert report.algorithm == "ppo"
    assert report.reward is not None and report.reward.train_accuracy == 1.0
    assert metrics[-1]["score"] > metrics[0]["score"]
    assert metrics[-1]["kl_coef"] != metrics[0]["kl_coef"]
    assert report.drift.kl_mean < 30


def test_rollouts_are_whole_prompts() -> None:
    with pytest.raises(ValueError, match="multiple of samples_per_prompt, 3"):
        PPOConfig(algorithm="ppo", rollouts=64, samples_per_prompt=3)
