"""Train a reward model on the pairs, then run PPO against it (Schulman 2017, 1707.06347; Stiennon 2020).

Policy, value head, reward model and reference are adapters and heads on a single base model in memory. A rollout batch
is sampled by the same sampler that serves, scored by the training forward pass, and learned from for a few epochs.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from data.records import FinishReason, Sampling
from trainer.algorithms.optimizer import LoraOptimizer, Terms
from trainer.algorithms.ppo_losses import (
    adapt_kl_coef,
    generalised_advantages,
    policy_loss,
    token_rewards,
    value_loss,
    whiten,
)
from trainer.algorithms.reward import RewardModel, report_reward_model, train_reward_model
from trainer.algorithms.training_run import RunContext, TrainingRun
from trainer.forward.encoding import TokenPair
from trainer.forward.logprobs import Forward
from trainer.forward.packing import Group
from trainer.interface.config import PPOConfig
from trainer.interface.manifest import RewardReport
from trainer.interface.round_dir import RoundDir
from trainer.model.policy import Policy
from trainer.sampling.sampler import Request, SampledRow, Sampler

_ROWS = 16  # rows that are sampled together
_HORIZON = 10_000  # completions over which the KL controller corrects a relative error of 1 (Ziegler's value)


@dataclass(frozen=True, slots=True)
class Rollout:
    """One prompt, its sampled completions, and PPO's targets, each [tokens of all the completions]."""

    group: Group
    old_logps: Tensor
    old_values: Tensor
    advantages: Tensor
    returns: Tensor

    @property
    def tokens(self) -> int:
        """Tokens of the packed group: the prompt once, and all its completions."""
        return self.group.tokens


@dataclass(frozen=True, slots=True)
class RolloutBatch:
    """Rollouts, and means over the batch's completions: score, KL to the reference in nats, length in tokens."""

    rollouts: list[Rollout]
    score: float
    kl: float
    length: float


class Actor:
    """The policy with a linear value head on its last hidden state, initialised to zero."""

    def __init__(self, policy: Policy, forward: Forward) -> None:
        self.policy = policy
        self._forward = forward
        width = int(policy.model.config.get_text_config().hidden_size)
        self._value = nn.Parameter(torch.zeros(width + 1, device=policy.model.device))  # weights [H], then the bias

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """The trainable parameters: the LoRA and the value head."""
        return {**self.policy.lora.parameters, "value": self._value}

    def logps_and_values(self, groups: Sequence[Group]) -> tuple[Tensor, Tensor]:
        """Return the logp of every completion token and the value of the state before it, each [N] float32."""
        with self.policy.acting():
            logps, states = self._forward.token_logps_and_states(self.policy.model, groups)
        return logps, states.float() @ self._value[:-1] + self._value[-1]


class PPO:
    """The steps of PPO on a rollout batch: sample, score, learn."""

    def __init__(self, run: RunContext, config: PPOConfig, actor: Actor, forward: Forward, reward: RewardModel) -> None:
        self._run = run
        self._config = config
        self._actor = actor
        self._forward = forward
        self._reward = reward
        rank = actor.policy.adapter().rank
        self._sampler = Sampler(actor.policy.base, max_rows=_ROWS, max_adapters=1, max_rank=rank)

    def roll_out(
        self, prompts: Sequence[tuple[int, ...]], max_new_tokens: int | None, *, seed: str
    ) -> list[SampledRow]:
        """Sample from the current policy at temperature 1, several completions for each drawn prompt, together."""
        source = random.Random(seed)
        plain = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=max_new_tokens)
        readable = self._actor.policy.base.readable
        drawn = source.choices(list(prompts), k=self._config.prompts_per_batch)
        requests = [
            Request(readable(prompt), "policy", source.getrandbits(31), plain)
            for prompt in drawn
            for _ in range(self._config.samples_per_prompt)
        ]
        self._sampler.load("policy", self._actor.policy.adapter())
        try:
            return self._sampler.generate(requests)
        finally:
            self._sampler.unload("policy")

    @torch.no_grad()
    def score(self, rows: Sequence[SampledRow], *, kl_coef: float) -> RolloutBatch:
        """Score rows (consecutive by prompt), and compute their advantages and returns."""
        groups = _groups(rows, self._config.samples_per_prompt)
        cut = torch.tensor([row.finish_reason is FinishReason.LENGTH for row in rows])
        scores = self._reward.scores(groups, self._run.budget).cpu() - self._config.unfinished_penalty * cut
        # from here on: N tokens of all completions, flat [N], or one padded row per completion, [B, K]
        logps, values = self._each(groups, lambda part: torch.stack(self._actor.logps_and_values(part)))
        with self._actor.policy.reference():
            model = self._actor.policy.model
            (reference,) = self._each(groups, lambda part: self._forward.token_logps(model, part)[None])
        lengths = [len(row.token_ids) for row in rows]
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        old_logps, old_values, reference_logps = (_padded(x, lengths) for x in (logps, values, reference))
        rewards = token_rewards(scores, old_logps, reference_logps, mask, kl_coef=kl_coef)
        advantages, returns = generalised_advantages(
            rewards, old_values, mask, gamma=self._config.gamma, lam=self._config.lam
        )
        columns = (old_logps, old_values, whiten(advantages, mask), returns)
        flat = torch.stack([column[mask] for column in columns]).to(self._actor.policy.model.device)
        parts = torch.split(flat, [sum(map(len, group.completions)) for group in groups], 1)
        return RolloutBatch(
            rollouts=[Rollout(group, *part) for group, part in zip(groups, parts, strict=True)],
            score=float(scores.mean()),
            kl=float(((old_logps - reference_logps) * mask).sum(1).mean()),
            length=sum(lengths) / len(lengths),
        )

    def learn(self, learner: LoraOptimizer, batch: RolloutBatch, *, order: random.Random) -> Iterator[dict[str, float]]:
        """Make several epochs of steps on a batch, yielding each step's metrics; ends once the policy moved too far."""
        for _ in range(self._config.ppo_epochs):
            shuffled = list(batch.rollouts)
            order.shuffle(shuffled)
            for at in range(0, len(shuffled), self._config.prompts_per_step):
                part = shuffled[at : at + self._config.prompts_per_step]
                metrics = learner.learn(part, lambda rollout: rollout.tokens, self._terms_of(part))
                yield metrics | {"score": batch.score, "kl": batch.kl, "length": batch.length}
                if metrics["moved"] > self._config.stop_kl:
                    return

    def _terms_of(self, step: Sequence[Rollout]) -> Callable[[Sequence[Rollout]], Terms]:
        """Return the loss of parts of a step. Every token of the step has the same weight, whichever part it is in."""
        # a rollout's sum over this constant, averaged over the step's rollouts, is the mean over the step's tokens
        mean_tokens = sum(len(rollout.returns) for rollout in step) / len(step)

        def terms(part: Sequence[Rollout]) -> Terms:
            logps, values = self._actor.logps_and_values([rollout.group for rollout in part])
            old_logps, old_values, advantages, returns = (
                torch.cat(column)[None]
                for column in zip(*((r.old_logps, r.old_values, r.advantages, r.returns) for r in part), strict=True)
            )
            mask = torch.ones_like(old_logps, dtype=torch.bool)
            policy = policy_loss(logps[None], old_logps, advantages, mask, clip=self._config.clip)
            value = value_loss(values[None], old_values, returns, mask, clip=self._config.value_clip)
            sizes = [len(rollout.returns) for rollout in part]

            def per_rollout(tokens: Tensor) -> Tensor:
                return torch.stack([piece.sum() for piece in torch.split(tokens[0], sizes)]) / mean_tokens

            policy_terms, value_terms = per_rollout(policy.loss), per_rollout(value)
            columns = {
                "policy_loss": policy_terms.detach(),
                "value_loss": value_terms.detach(),
                "clipped": per_rollout(policy.clipped.float()),
                "moved": per_rollout(policy.moved),
            }
            return Terms(policy_terms + self._config.value_coef * value_terms, columns)

        return terms

    def _each(self, groups: Sequence[Group], work: Callable[[Sequence[Group]], Tensor]) -> Tensor:
        """Apply work (-> [c, n]) to groups in parts that fit into memory; returns [c, N] on the CPU, in group order."""

        def on(part: list[int]) -> dict[int, Tensor]:
            sizes = [sum(map(len, groups[i].completions)) for i in part]
            return dict(zip(part, torch.split(work([groups[i] for i in part]).cpu(), sizes, 1), strict=True))

        found: dict[int, Tensor] = {}
        for part in self._run.budget.each(range(len(groups)), lambda i: groups[i].tokens, on):
            found |= part
        return torch.cat([found[i] for i in range(len(groups))], 1)


def train_by_ppo(
    run: RunContext,
    config: PPOConfig,
    actor: Actor,
    forward: Forward,
    pairs: Sequence[TokenPair],
    heldout: Sequence[TokenPair],
    *,
    max_new_tokens: int | None,
) -> tuple[int, RewardReport]:
    """Train a reward model, or load the one an earlier attempt left, then train the actor's policy in place.

    Returns the number of steps and the quality of the reward model. Raises the errors of TrainingRun.checkpoint and
    LoraOptimizer.learn.
    """
    reward = reward_model(run, config, actor.policy, forward, pairs)
    ppo = PPO(run, config, actor, forward, reward)
    training = TrainingRun(run, actor.parameters, steps=config.epochs * config.steps_per_batch)
    kl_coef = training.kept.get("kl_coef", config.kl_coef)
    prompts = list(dict.fromkeys(pair.prompt_ids for pair in pairs))
    for number in range(training.learner.step // config.steps_per_batch, config.epochs):
        rows = ppo.roll_out(prompts, max_new_tokens, seed=f"{run.seed}/{number}")
        batch = ppo.score(rows, kl_coef=kl_coef)
        for metrics in ppo.learn(training.learner, batch, order=random.Random(f"{run.seed}/{number}/order")):
            training.log_step(metrics | {"kl_coef": kl_coef})
        training.learner.step = (number + 1) * config.steps_per_batch  # steps skipped by an early stop count as made
        if config.kl_target is not None:
            kl_coef = adapt_kl_coef(kl_coef, batch.kl, target=config.kl_target, horizon=_HORIZON, steps=len(rows))
        training.kept["kl_coef"] = kl_coef
        training.checkpoint(every=1)
    return training.learner.steps, report_reward_model(reward, pairs, heldout, run.budget)


def reward_model(
    run: RunContext, config: PPOConfig, policy: Policy, forward: Forward, pairs: Sequence[TokenPair]
) -> RewardModel:
    """Return the round's reward model: loaded from `reward/`, or trained and saved there."""
    place = run.directory.path / "reward"
    if (place / "adapter").exists():
        return RewardModel.load(place, policy.base, policy.stack, forward)
    place.mkdir(exist_ok=True)
    model = RewardModel.fresh(policy.base, policy.stack, config.reward, forward, seed=run.seed)
    model.recompute_above = policy.recompute_above
    own = replace(run, directory=RoundDir(place), config=config.reward, phase="reward model")
    train_reward_model(own, config.reward, model, pairs)
    model.save(place)
    return model


def _groups(rows: Sequence[SampledRow], size: int) -> list[Group]:
    """Group consecutive rows of the same prompt, `size` rows each."""
    return [
        Group(rows[at].request.prompt_ids, tuple(tuple(row.token_ids) for row in rows[at : at + size]))
        for at in range(0, len(rows), size)
    ]


def _padded(flat: Tensor, lengths: Sequence[int]) -> Tensor:
    """Split [N] into one row per completion, padded with zeros on the right, [B, K]."""
    return pad_sequence(list(torch.split(flat, list(lengths))), batch_first=True)
