"""Losses as pure functions of log-probabilities. Knows nothing of models, tokens or optimisers."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class PreferenceTerms:
    """Per pair, each [N]: the loss, and the implicit rewards of the chosen and the rejected completion."""

    loss: Tensor
    chosen_rewards: Tensor
    rejected_rewards: Tensor

    @property
    def margins(self) -> Tensor:
        """How much more reward the chosen completion has, [N]."""
        return self.chosen_rewards - self.rejected_rewards


def dpo_loss(
    policy_chosen_logps: Tensor,
    policy_rejected_logps: Tensor,
    reference_chosen_logps: Tensor,
    reference_rejected_logps: Tensor,
    *,
    beta: float,
) -> PreferenceTerms:
    """Direct preference optimisation (Rafailov 2023, 2305.18290, eq. 7).

    Takes summed completion log-probabilities in nats, each [N]. The implicit reward of a completion is
    beta * (log pi - log pi_ref) (eq. 5, without the term that cancels); the loss is -log sigmoid(margin).
    With policy equal to reference it is exactly ln 2.
    """
    chosen_rewards = beta * (policy_chosen_logps - reference_chosen_logps)
    rejected_rewards = beta * (policy_rejected_logps - reference_rejected_logps)
    return PreferenceTerms(-F.logsigmoid(chosen_rewards - rejected_rewards), chosen_rewards, rejected_rewards)
