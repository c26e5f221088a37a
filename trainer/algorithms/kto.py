"""KTO on a LoRA: train on single completions rated good or bad; pairs are not needed.

How judgments become ratings: a decided pair gives one desirable and one undesirable completion, a pair judged "both
bad" gives two undesirable ones, and a tie gives none.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from trainer.algorithms.early_stop import Watch
from trainer.algorithms.losses import kto_baseline, kto_loss
from trainer.algorithms.optimizer import Terms
from trainer.algorithms.training_run import RunContext, fit
from trainer.forward.encoding import TokenPair, TokenRating
from trainer.forward.logprobs import Forward, completion_logps
from trainer.forward.packing import Group
from trainer.forward.reference import ReferenceLogps, group_logps
from trainer.interface.config import KTOConfig
from trainer.model.policy import Policy


@dataclass(frozen=True, slots=True)
class KTOExample:
    """A rating, and its prompt with another rating's completion, from which the KL baseline z0 is estimated."""

    rating: TokenRating
    mismatched: Group

    @property
    def tokens(self) -> int:
        """Tokens of the rating alone; the mismatched completion passes without gradients."""
        return self.rating.group.tokens


def ratings_of(pairs: Sequence[TokenPair]) -> list[TokenRating]:
    """Convert decided pairs to ratings: chosen is desirable, rejected is not."""
    return [
        TokenRating(pair.prompt_ids, completion, desirable)
        for pair in pairs
        for completion, desirable in ((pair.chosen_ids, True), (pair.rejected_ids, False))
    ]


def examples(ratings: Sequence[TokenRating], *, seed: int, context: int) -> list[KTOExample]:
    """Combine every rating with the completion of another one, in a seeded order; completions are cut at the context.

    The other completion is from another prompt, unless more than half of the ratings share one prompt: the baseline
    must not be estimated on answers that match the prompt.
    """
    shuffled = list(ratings)
    random.Random(seed).shuffle(shuffled)
    by_prompt: dict[tuple[int, ...], list[TokenRating]] = {}
    for rating in shuffled:
        by_prompt.setdefault(rating.prompt_ids, []).append(rating)
    order = [rating for same in by_prompt.values() for rating in same]
    # rotating by the longest run of one prompt moves every rating past its own prompt
    ahead = max(map(len, by_prompt.values())) % len(order) or 1
    return [
        KTOExample(rating, Group(rating.prompt_ids, (other.completion_ids[: context - len(rating.prompt_ids)],)))
        for rating, other in zip(order, [*order[ahead:], *order[:ahead]], strict=True)
    ]


@dataclass(frozen=True, slots=True)
class KTOObjective:
    """The loss of ratings under a policy."""

    policy: Policy
    forward: Forward
    config: KTOConfig
    reference: ReferenceLogps

    def prepare(self, run: RunContext) -> Callable[[Sequence[KTOExample]], Callable[[Sequence[KTOExample]], Terms]]:
        """Return a function that computes a batch's baseline z0 and returns the loss function for its parts."""

        def of_batch(batch: Sequence[KTOExample]) -> Callable[[Sequence[KTOExample]], Terms]:
            groups = [example.mismatched for example in batch]
            with self.policy.acting():
                policy = group_logps(self.policy, self.forward, groups, run.budget)
            table = torch.tensor([policy[group] + self.reference[group] for group in groups], dtype=torch.float64)
            baseline = kto_baseline(table[:, 0], table[:, 1]).to(self.policy.model.device)
            return lambda part: self._terms(part, baseline)

        return of_batch

    def _terms(self, part: Sequence[KTOExample], baseline: torch.Tensor) -> Terms:
        groups = [example.rating.group for example in part]
        with self.policy.acting():
            policy = completion_logps(self.forward, self.policy.model, groups)
        like = policy.detach()
        reference = like.new_tensor([self.reference[group] for group in groups])[:, 0]
        desirable = torch.tensor([example.rating.desirable for example in part], device=like.device)
        terms = kto_loss(
            policy,
            reference,
            desirable,
            baseline,
            beta=self.config.summed_beta,
            desirable_weight=self.config.desirable_weight,
            undesirable_weight=self.config.undesirable_weight,
        )
        sign = desirable.double() * 2 - 1
        columns = {
            # its mean is mean(desirable) - mean(undesirable) when both are equally many
            "margin": 2 * sign * terms.rewards,
            "accuracy": (sign * (terms.rewards - self.config.summed_beta * baseline) > 0).double(),
            "baseline": baseline.expand(len(part)),
            "logps": policy,
        }
        return Terms(terms.loss, columns)


def train_on_ratings(
    run: RunContext, objective: KTOObjective, items: Sequence[KTOExample], *, watch: Watch | None = None
) -> int:
    """Train the objective's policy in place; returns the number of steps. Raises the errors of training_run.fit."""
    parameters = objective.policy.lora.parameters
    return fit(run, parameters, items, lambda example: example.tokens, objective.prepare(run), watch=watch)
