"""Log-probabilities of completions given prompts: the one place with the masking rule.

Position t predicts token t+1, and only completion tokens count. Knows nothing of losses or adapters.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from trainer.batching import TokenPair, pad

PromptAndCompletion = tuple[tuple[int, ...], tuple[int, ...]]


def token_logps(model: PreTrainedModel, sequences: Sequence[PromptAndCompletion]) -> tuple[Tensor, Tensor]:
    """Log-probabilities of completion tokens for (prompt_ids, completion_ids) sequences.

    Returns (logps, mask), both [B, K], K the longest completion; completions are aligned right, logps are
    zero where mask is false. Differentiable. Logits exist only for the last K columns, never [B, T, V].
    """
    batch = pad(sequences, device=model.device)
    keep = batch.completion_mask.shape[1]
    logits = model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
        use_cache=False,
        logits_to_keep=keep + 1,
    ).logits[:, :-1]
    targets = batch.input_ids[:, -keep:]
    logps = -F.cross_entropy(logits.float().transpose(1, 2), targets, reduction="none")
    return logps * batch.completion_mask, batch.completion_mask


def completion_logps(model: PreTrainedModel, sequences: Sequence[PromptAndCompletion]) -> Tensor:
    """Summed log-probability of each completion, [B], float64: a long sum of small terms loses in float32."""
    logps, _ = token_logps(model, sequences)
    return logps.double().sum(1)


def pair_logps(model: PreTrainedModel, pairs: Sequence[TokenPair]) -> tuple[Tensor, Tensor]:
    """Completion log-probabilities (chosen, rejected) of N pairs, each [N] float64."""
    chosen = [(pair.prompt_ids, pair.chosen_ids) for pair in pairs]
    rejected = [(pair.prompt_ids, pair.rejected_ids) for pair in pairs]
    logps = completion_logps(model, chosen + rejected)
    return logps[: len(pairs)], logps[len(pairs) :]
