"""PPO: what a rollout batch holds, and that the better arm is found."""

import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from data.records import FinishReason, Snapshot
from tests.trainer.plainly import alone
from tests.trainer.scene import freeze, preference
from trainer.algorithms.ppo import PPO, Actor, train_by_ppo
from trainer.algorithms.training_run import RunContext, TrainingRun
from trainer.forward.encoding import TokenPair
from trainer.forward.logprobs import Packed, completion_logps
from trainer.forward.packing import Group
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import PPOConfig, RewardConfig
from trainer.interface.manifest import RewardReport
from trainer.interface.round_dir import RoundDir
from trainer.model.base import Base
from trainer.model.policy import Policy
from trainer.round import run_round

ARM = range(60, 120)  # tokens that pay: a fifth of the vocabulary
OTHER_ARM = range(120, 180)
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

    def scores(self, groups: Sequence[Group], _: TokenBudget) -> Tensor:
        return torch.tensor([float(paid(ids)) for group in groups for ids in group.completions])


def run_in(path: Path, config: PPOConfig) -> RunContext:
    path.mkdir(exist_ok=True)
    directory = RoundDir(path)
    return RunContext(directory, config, 0, lambda: False, directory.set_progress, TokenBudget(8192, print))


def setting(base: Base, path: Path, **changes: object) -> tuple[PPO, Actor, RunContext]:
    config = PPOConfig.model_validate({**BASIC, "unfinished_penalty": 0.0, **changes})
    actor = Actor(Policy.from_base(base, rank=4, alpha=8, seed=0), Packed())
    run = run_in(path, config)
    return PPO(run, config, actor, Packed(), Paid()), actor, run  # type: ignore[arg-type]


def move(actor: Actor, *, policy: float = 0.05, value: float = 0.1) -> None:
    """Take the policy away from its reference, and the values from zero."""
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in actor.parameters.items():
            size = value if name == "value" else policy
            parameter.add_(torch.randn(parameter.shape, generator=source) * size)


def probability_of_arm(actor: Actor) -> float:
    groups = [Group(prompt, tuple((token,) for token in ARM)) for prompt in PROMPTS]
    with torch.no_grad(), actor.policy.acting():
        return float(completion_logps(Packed(), actor.policy.model, groups).exp().sum()) / len(PROMPTS)


def play(base: Base, path: Path, **changes: object) -> float:
    """The probability of the paid token after training on answers of one token."""
    ppo, actor, run = setting(base, path, **changes)
    config = run.config
    assert isinstance(config, PPOConfig)
    course = TrainingRun(run, actor.parameters, steps=config.epochs * config.steps_per_batch)
    for number in range(config.epochs):
        batch = ppo.score(ppo.roll_out(PROMPTS, 1, seed=str(number)), kl_coef=config.kl_coef)
        for _ in ppo.learn(course.learner, batch, order=random.Random(number)):
            pass
    return probability_of_arm(actor)


class TestRollouts:
    def test_old_log_probabilities_are_the_policys_own(self, base: Base, tmp_path: Path) -> None:
        ppo, _, _ = setting(base, tmp_path)
        rows = ppo.roll_out(PROMPTS, 6, seed="a")
        batch = ppo.score(rows, kl_coef=0.1)
        sampled = [logprob for row in rows for logprob in row.logprobs]
        assert torch.cat([r.old_logps for r in batch.rollouts]).tolist() == pytest.approx(sampled, abs=1e-4)
        assert [ids for r in batch.rollouts for ids in r.group.completions] == [tuple(row.token_ids) for row in rows]
        assert batch.kl == pytest.approx(0, abs=1e-4)
        assert batch.length == pytest.approx(sum(len(row.token_ids) for row in rows) / len(rows))

    def test_samples_of_a_prompt_stand_together(self, base: Base, tmp_path: Path) -> None:
        ppo, _, _ = setting(base, tmp_path, samples_per_prompt=4)
        batch = ppo.score(ppo.roll_out(PROMPTS, 3, seed="a"), kl_coef=0.1)
        assert [len(r.group.completions) for r in batch.rollouts] == [4] * 8

    def test_without_discount_a_return_is_the_score_and_the_penalties_to_come(self, base: Base, tmp_path: Path) -> None:
        """lam = gamma = 1 and values 0: the return of every token is the sum of the rewards from it on."""
        ppo, actor, _ = setting(base, tmp_path, lam=1.0, gamma=1.0)
        move(actor, value=0.0)
        rows = ppo.roll_out(PROMPTS, 5, seed="a")
        batch = ppo.score(rows, kl_coef=0.3)
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

    def test_advantages_are_those_of_every_answer_by_itself(self, base: Base, tmp_path: Path) -> None:
        """A_t = sum over l of (gamma lam)^l d_{t+l}, answer by answer, then whitened over all tokens of the batch."""
        gamma, lam, kl_coef = 0.9, 0.8, 0.3
        ppo, actor, _ = setting(base, tmp_path, gamma=gamma, lam=lam)
        move(actor)
        rows = ppo.roll_out(PROMPTS, 5, seed="a")
        batch = ppo.score(rows, kl_coef=kl_coef)
        advantages, returns = [], []
        for row in rows:
            ids, prompt = tuple(row.token_ids), row.request.prompt_ids
            with torch.no_grad():
                reference = alone(actor.policy.model, prompt, ids)[0]
                with actor.policy.acting():
                    logps, states, _ = alone(actor.policy.model, prompt, ids)
            weights = actor.parameters["value"]
            values = [*(states @ weights[:-1] + weights[-1]).tolist(), 0.0]
            rewards = (-kl_coef * (logps - reference)).tolist()
            rewards[-1] += float(paid(ids))
            deltas = [rewards[t] + gamma * values[t + 1] - values[t] for t in range(len(ids))]
            mine = [sum((gamma * lam) ** k * delta for k, delta in enumerate(deltas[t:])) for t in range(len(ids))]
            advantages += mine
            returns += [advantage + value for advantage, value in zip(mine, values, strict=False)]
        assert torch.cat([r.returns for r in batch.rollouts]).tolist() == pytest.approx(returns, abs=1e-4)
        white = (torch.tensor(advantages) - torch.tensor(advantages).mean()) / torch.tensor(advantages).std(
            correction=0
        )
        assert torch.cat([r.advantages for r in batch.rollouts]).tolist() == pytest.approx(white.tolist(), abs=1e-3)

    def test_what_it_tells_of_a_batch_are_means_over_its_answers(self, base: Base, tmp_path: Path) -> None:
        ppo, actor, _ = setting(base, tmp_path)
        move(actor)
        rows = ppo.roll_out(PROMPTS, 5, seed="a")
        batch = ppo.score(rows, kl_coef=0.3)
        with torch.no_grad():
            reference = [alone(base.model, row.request.prompt_ids, tuple(row.token_ids))[0].sum() for row in rows]
        kl = [sum(row.logprobs) - float(theirs) for row, theirs in zip(rows, reference, strict=True)]
        assert batch.kl == pytest.approx(statistics.fmean(kl), abs=1e-4)
        assert batch.score == pytest.approx(statistics.fmean(paid(row.token_ids) for row in rows))
        assert batch.length == pytest.approx(statistics.fmean(len(row.token_ids) for row in rows))

    def test_a_batch_is_a_function_of_its_seed(self, base: Base, tmp_path: Path) -> None:
        ppo, _, _ = setting(base, tmp_path)
        first, second, other = ([r.token_ids for r in ppo.roll_out(PROMPTS, 5, seed=seed)] for seed in "aab")
        assert first == second != other

    def test_a_prompt_that_leaves_no_room_for_an_answer_is_cut_from_the_left(self, base: Base, tmp_path: Path) -> None:
        ppo, _, _ = setting(base, tmp_path, rollouts=2)
        long = tuple(6 + i % 180 for i in range(base.context + 3))
        rows = ppo.roll_out([long], 5, seed="a")
        assert {row.request.prompt_ids for row in rows} == {long[-base.context // 2 :]}

    def test_an_answer_that_was_cut_off_pays(self, base: Base, tmp_path: Path) -> None:
        free, _, _ = setting(base, tmp_path / "free")
        paying, _, _ = setting(base, tmp_path / "paying", unfinished_penalty=2.0)
        rows = free.roll_out(PROMPTS, 3, seed="a")
        cut = sum(row.finish_reason is FinishReason.LENGTH for row in rows) / len(rows)
        assert cut > 0.5
        difference = free.score(rows, kl_coef=0.1).score - paying.score(rows, kl_coef=0.1).score
        assert difference == pytest.approx(2 * cut, abs=1e-5)


class TestSteps:
    def test_the_first_step_has_moved_nothing(self, base: Base, tmp_path: Path) -> None:
        ppo, actor, run = setting(base, tmp_path)
        batch = ppo.score(ppo.roll_out(PROMPTS, 4, seed="a"), kl_coef=0.1)
        course = TrainingRun(run, actor.parameters, steps=100)
        first = next(ppo.learn(course.learner, batch, order=random.Random(0)))
        assert first["moved"] == pytest.approx(0, abs=1e-6)
        assert first["clipped"] == 0

    def test_a_batch_in_parts_has_the_gradient_of_the_whole(self, base: Base, tmp_path: Path) -> None:
        gradients = []
        for tokens in (8192, 1):
            ppo, actor, run = setting(base, tmp_path / str(tokens), batch_size=32, learning_rate=1e-9)
            run.budget.tokens = tokens
            batch = ppo.score(ppo.roll_out(PROMPTS, 5, seed="a"), kl_coef=0.1)
            course = TrainingRun(run, actor.parameters, steps=100)
            next(ppo.learn(course.learner, batch, order=random.Random(0)))
            gradients.append(torch.cat([p.grad.flatten() for p in actor.parameters.values() if p.grad is not None]))
        assert (gradients[0] - gradients[1]).norm() / gradients[0].norm() < 1e-5

    def test_a_policy_that_moves_too_far_ends_the_batch(self, base: Base, tmp_path: Path) -> None:
        ppo, actor, run = setting(base, tmp_path, stop_kl=1e-4, learning_rate=0.1, ppo_epochs=8)
        batch = ppo.score(ppo.roll_out(PROMPTS, 4, seed="a"), kl_coef=0.1)
        course = TrainingRun(run, actor.parameters, steps=100)
        steps = list(ppo.learn(course.learner, batch, order=random.Random(0)))
        assert len(steps) < 16
        assert steps[-1]["moved"] > 1e-4


class TestCourse:
    @pytest.fixture
    def train(
        self, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., list[dict[str, float]]]:
        """A whole PPO training against the stub; its metrics."""
        worth = RewardReport(train_accuracy=1.0, heldout_accuracy=None, calibration_error=None)
        monkeypatch.setattr("trainer.algorithms.ppo.reward_model", lambda *_: Paid())
        monkeypatch.setattr("trainer.algorithms.ppo.report_reward_model", lambda *_: worth)

        def once(*, away: float = 0.0, **changes: object) -> list[dict[str, float]]:
            _, actor, run = setting(base, tmp_path, **{"epochs": 3, "rollouts": 16, "batch_size": 8, **changes})
            assert isinstance(run.config, PPOConfig)
            move(actor, policy=away, value=0.0)
            pairs = [TokenPair(prompt, (7, 2), (8, 2)) for prompt in PROMPTS]
            steps, found = train_by_ppo(run, run.config, actor, Packed(), pairs, [], max_new_tokens=3)
            assert (steps, found) == (3 * run.config.steps_per_batch, worth)
            return run.directory.metrics()

        return once

    def test_every_step_of_every_batch_is_taken(self, train: Callable[..., list[dict[str, float]]]) -> None:
        metrics = train(stop_kl=1e9)
        assert [line["step"] for line in metrics] == list(range(1, 25))
        assert len({line["score"] for line in metrics}) <= 3

    def test_steps_that_an_early_stop_leaves_out_are_counted(
        self, train: Callable[..., list[dict[str, float]]]
    ) -> None:
        """The first step of a batch has moved nothing yet, the second has."""
        metrics = train(stop_kl=1e-6)
        assert [line["step"] for line in metrics] == [1, 2, 9, 10, 17, 18]

    def test_a_kl_above_its_target_makes_the_reference_dearer(
        self, train: Callable[..., list[dict[str, float]]]
    ) -> None:
        """An error of more than a fifth counts as a fifth: 16 completions of 10,000 move it by 0.032 %."""
        coefs = [line["kl_coef"] for line in train(kl_target=1e-6, kl_coef=0.5, away=0.2, learning_rate=1e-6)][::8]
        assert coefs == pytest.approx([0.5 * (1 + 0.2 * 16 / 10_000) ** n for n in range(3)], rel=1e-12)

    def test_a_kl_below_its_target_makes_it_cheaper(self, train: Callable[..., list[dict[str, float]]]) -> None:
        coefs = [line["kl_coef"] for line in train(kl_target=1e6, kl_coef=0.5)][::8]
        assert coefs == pytest.approx([0.5 * (1 - 0.2 * 16 / 10_000) ** n for n in range(3)], rel=1e-12)

    def test_without_a_target_it_stays(self, train: Callable[..., list[dict[str, float]]]) -> None:
        assert {line["kl_coef"] for line in train(kl_coef=0.5)} == {0.5}


@pytest.fixture
def outspoken(base: Base) -> Base:
    """A frozen head that is drawn small cannot say anything with certainty; make it speak up."""
    base.model.get_output_embeddings().weight.mul_(12)
    return base


class TestBandit:
    def test_the_paid_arm_is_found(self, outspoken: Base, tmp_path: Path) -> None:
        before = probability_of_arm(Actor(Policy.from_base(outspoken, rank=4, alpha=8, seed=0), Packed()))
        assert before < 0.3
        assert play(outspoken, tmp_path, kl_coef=0.0, rollouts=128, batch_size=64, epochs=25) > 0.8

    def test_a_dear_reference_keeps_it_at_home(self, outspoken: Base, tmp_path: Path) -> None:
        assert play(outspoken, tmp_path, kl_coef=5.0, rollouts=128, batch_size=64, epochs=25) < 0.4


def test_a_round_learns_to_please_its_reward_model(outspoken: Base, tmp_path: Path) -> None:
    """People like answers of the paid arm better than those of another; each answer is one token."""
    source = random.Random(0)
    pairs = [TokenPair((), (source.choice(ARM),), (source.choice(OTHER_ARM),)) for _ in range(64)]
    liked = tuple(preference(number, pair) for number, pair in enumerate(pairs))
    reward = RewardConfig(epochs=6, batch_size=4, learning_rate=1e-2, rank=4, alpha=8)
    config = PPOConfig(**BASIC, reward=reward, kl_target=2.0)  # type: ignore[arg-type]
    snapshot = Snapshot(liked[:48], liked[48:], {})
    directory = freeze(tmp_path / "round", outspoken, config=config, snapshot=snapshot, max_new_tokens=1)
    report = run_round(directory, lambda: False, base=outspoken).report
    metrics = directory.metrics()
    assert report.algorithm == "ppo"
    assert report.reward is not None and report.reward.train_accuracy == 1.0
    assert metrics[-1]["score"] > metrics[0]["score"] + 0.5
    assert metrics[-1]["kl_coef"] != metrics[0]["kl_coef"]
    assert report.drift.kl_mean < 30


def test_rollouts_are_whole_prompts() -> None:
    with pytest.raises(ValueError, match="multiple of samples_per_prompt, 3"):
        PPOConfig(algorithm="ppo", rollouts=64, samples_per_prompt=3)
