"""Pairs as token ids, and how they are grouped into batches. Knows nothing of models or losses."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from data.errors import InputError
from trainer.base import Base
from trainer.round_dir import SnapshotPair


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A preference as ids: the prompt by the chat template, the completions as they were sampled."""

    prompt_ids: tuple[int, ...]
    chosen_ids: tuple[int, ...]
    rejected_ids: tuple[int, ...]

    @property
    def longest(self) -> int:
        """Tokens of the prompt with the longer completion."""
        return len(self.prompt_ids) + max(len(self.chosen_ids), len(self.rejected_ids))


@dataclass(frozen=True, slots=True)
class Padded:
    """Sequences padded on the left, so that all completions end in the last column.

    input_ids, attention_mask, position_ids: [B, T]. completion_mask [B, K], K the longest completion,
    marks in the last K columns the tokens that belong to a completion.
    """

    input_ids: Tensor
    attention_mask: Tensor
    position_ids: Tensor
    completion_mask: Tensor


def tokenize(base: Base, pairs: Sequence[SnapshotPair]) -> list[TokenPair]:
    """Snapshot pairs as ids.

    Raises InputError for a completion that is empty, beyond the model's context, or of another vocabulary.
    """
    out = []
    vocabulary = int(base.model.config.get_text_config().vocab_size)
    for pair in pairs:
        if not (pair.chosen_ids and pair.rejected_ids):
            raise InputError(f"pair {pair.pair_id}: a completion has no tokens; withdraw the pair and start again")
        if max(pair.chosen_ids + pair.rejected_ids) >= vocabulary:
            raise InputError(f"pair {pair.pair_id}: its token ids are not of {base.name}; another model sampled it")
        room = max(len(pair.chosen_ids), len(pair.rejected_ids))
        out.append(TokenPair(base.prompt_ids(pair.prompt, room=room), pair.chosen_ids, pair.rejected_ids))
    return out


def pad(sequences: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], *, device: torch.device) -> Padded:
    """Pad (prompt_ids, completion_ids) sequences into one batch."""
    width = max(len(prompt) + len(completion) for prompt, completion in sequences)
    last = max(len(completion) for _, completion in sequences)
    input_ids = torch.zeros(len(sequences), width, dtype=torch.long)
    attention_mask = torch.zeros_like(input_ids)
    completion_mask = torch.zeros(len(sequences), last, dtype=torch.bool)
    for i, (prompt, completion) in enumerate(sequences):
        length = len(prompt) + len(completion)
        input_ids[i, width - length :] = torch.tensor(prompt + completion)
        attention_mask[i, width - length :] = 1
        completion_mask[i, last - len(completion) :] = True
    position_ids = (attention_mask.cumsum(1) - 1).clamp(min=0)
    return Padded(input_ids.to(device), attention_mask.to(device), position_ids.to(device), completion_mask.to(device))


def epoch_batches(count: int, *, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices 0..count-1 shuffled by (seed, epoch) alone, so that a resumed run sees the same batches."""
    order = list(range(count))
    random.Random(f"{seed}/{epoch}").shuffle(order)
    return [order[i : i + batch_size] for i in range(0, count, batch_size)]


def micro_batches(pairs: Sequence[TokenPair], *, token_budget: int) -> Iterator[list[TokenPair]]:
    """Split a batch so that its padded size (two sequences a pair) stays within a budget; one pair always fits."""
    group: list[TokenPair] = []
    for pair in sorted(pairs, key=lambda p: p.longest):
        if group and 2 * (len(group) + 1) * pair.longest > token_budget:
            yield group
            group = []
        group.append(pair)
    if group:
        yield group
