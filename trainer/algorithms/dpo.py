"""DPO and its relatives on a LoRA: compute logps of each pair, then the loss named in the config.

`trainer.round` gives it tokenized pairs and the reference's logps, and saves the adapter afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from trainer.algorithms.early_stop import Watch
from trainer.algorithms.losses import (
    PairLogps,
    PreferenceTerms,
    cdpo_loss,
    dpo_loss,
    hinge_loss,
    ipo_loss,
    robust_dpo_loss,
    sft_loss,
    simpo_loss,
    strength_margins,
)
from trainer.algorithms.optimizer import Terms
from trainer.algorithms.training_run import RunContext, fit
from trainer.forward.encoding import TokenPair
from trainer.forward.logprobs import Forward, completion_logps
from trainer.forward.reference import ReferenceLogps
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
from trainer.model.policy import Policy


@dataclass(frozen=True, slots=True)
class PreferenceObjective:
    """The loss of pairs under a policy. flip_rate: used where label_smoothing is "measured"."""

    policy: Policy
    forward: Forward
    config: PairwiseConfig
    reference: ReferenceLogps
    flip_rate: float | None

    def terms(self, pairs: Sequence[TokenPair]) -> Terms:
        """Return the loss and metrics of n pairs, each [n]."""
        logps = self.logps(pairs)
        strengths = logps.policy_chosen.detach().new_tensor([pair.strength for pair in pairs])
        margin = strength_margins(strengths, self.config.strength_margin)
        terms = pairwise_loss(self.config, logps, margin, self.flip_rate)
        loss = terms.loss
        if self.config.sft_weight:
            loss = loss + self.config.sft_weight * sft_loss(logps.policy_chosen, logps.chosen_lengths)
        columns = {
            "margin": terms.margins,
            "accuracy": (terms.margins > 0).double(),
            "chosen_reward": terms.chosen_rewards,
            "rejected_reward": terms.rejected_rewards,
            "chosen_logps": logps.policy_chosen,
            "rejected_logps": logps.policy_rejected,
        }
        return Terms(loss, columns)

    def logps(self, pairs: Sequence[TokenPair]) -> PairLogps:
        """Return the logps and lengths that the losses need, for n pairs."""
        groups = [pair.group for pair in pairs]
        with self.policy.acting():
            # each group is one prompt with (chosen, rejected), so the flat logps [2n] are alternating
            policy = completion_logps(self.forward, self.policy.model, groups).view(-1, 2)
        like = policy.detach()
        reference = like.new_tensor([self.reference[group] for group in groups])
        lengths = like.new_tensor([[len(pair.chosen_ids), len(pair.rejected_ids)] for pair in pairs])
        return PairLogps(policy[:, 0], policy[:, 1], reference[:, 0], reference[:, 1], lengths[:, 0], lengths[:, 1])


def train_on_pairs(
    run: RunContext, objective: PreferenceObjective, pairs: Sequence[TokenPair], *, watch: Watch | None = None
) -> int:
    """Train the objective's policy in place; returns the number of steps. Raises the errors of training_run.fit."""
    parameters = objective.policy.lora.parameters
    return fit(run, parameters, pairs, lambda pair: pair.tokens, lambda _: objective.terms, watch=watch)


def pairwise_loss(config: PairwiseConfig, logps: PairLogps, margin: Tensor, flip_rate: float | None) -> PreferenceTerms:
    """Compute the loss named in the config. Raises RoundError when it needs a flip rate that was not measured."""
    match config:
        case DPOConfig():
            return dpo_loss(logps, beta=config.summed_beta, margin=margin)
        case CDPOConfig():
            smoothing = label_smoothing(config, flip_rate)
            return cdpo_loss(logps, beta=config.summed_beta, label_smoothing=smoothing, margin=margin)
        case RobustConfig():
            smoothing = label_smoothing(config, flip_rate)
            return robust_dpo_loss(logps, beta=config.summed_beta, label_smoothing=smoothing, margin=margin)
        case IPOConfig():
            return ipo_loss(logps, beta=config.beta, margin=margin)
        case HingeConfig():
            return hinge_loss(logps, beta=config.summed_beta, margin=margin)
        case SimPOConfig():
            return simpo_loss(logps, beta=config.beta, gamma=config.gamma, margin=margin)
