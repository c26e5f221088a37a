"""Pack one prompt with its completions into one row of tokens, so that the prompt is computed only once.

    [ prompt | completion 1 | completion 2 | ... ]      a group; groups follow each other without padding

Completions of a group cannot see each other (packed_attention.py ensures it), and each one's positions continue from
the prompt's.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from heapq import heapreplace
from typing import Any, TypeVar

import torch
from torch import Tensor

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Group:
    """A prompt and one or more of its completions, as token ids; none is empty."""

    prompt_ids: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]

    @property
    def lengths(self) -> tuple[int, ...]:
        """Numbers of tokens of the prompt and of each completion."""
        return (len(self.prompt_ids), *map(len, self.completions))

    @property
    def tokens(self) -> int:
        """Number of tokens of the packed group."""
        return sum(self.lengths)


@dataclass(frozen=True, slots=True)
class Packing:
    """Groups as one row of T tokens with N completion tokens in S completions, in the groups' order.

    input_ids, position_ids: [1, T]. parts: per group the lengths of prompt and completions. predicting [N]: the
    index in T whose state predicts each completion token. targets [N]: those tokens. owner [N]: the completion
    (0..S-1) a token belongs to. ends [S]: the index of each completion's last token. masks: cache of attention masks,
    shared by all layers.
    """

    input_ids: Tensor
    position_ids: Tensor
    parts: tuple[tuple[int, ...], ...]
    predicting: Tensor
    targets: Tensor
    owner: Tensor
    ends: Tensor
    masks: dict[Hashable, Any] = field(default_factory=dict, compare=False)


def pack(groups: Sequence[Group], *, device: torch.device) -> Packing:
    """Pack groups into one row. Raises ValueError for an empty prompt or completion."""
    ids: list[int] = []
    positions: list[int] = []
    predicting: list[int] = []
    ends: list[int] = []
    for group in groups:
        if not all(group.lengths):
            raise ValueError("a group with an empty prompt or completion cannot be packed")
        ids += group.prompt_ids
        positions += range(len(group.prompt_ids))
        last_of_prompt = len(ids) - 1
        for completion in group.completions:
            predicting += [last_of_prompt, *range(len(ids), len(ids) + len(completion) - 1)]
            positions += range(len(group.prompt_ids), len(group.prompt_ids) + len(completion))
            ids += completion
            ends.append(len(ids) - 1)
    completions = [completion for group in groups for completion in group.completions]
    return Packing(
        input_ids=torch.tensor([ids], device=device),
        position_ids=torch.tensor([positions], device=device),
        parts=tuple(group.lengths for group in groups),
        predicting=torch.tensor(predicting, device=device),
        targets=torch.tensor([token for completion in completions for token in completion], device=device),
        owner=owners(groups, device=device),
        ends=torch.tensor(ends, device=device),
    )


def owners(groups: Sequence[Group], *, device: torch.device) -> Tensor:
    """Return for each completion token of the groups, in order, which completion it belongs to, [N]."""
    lengths = torch.tensor([len(completion) for group in groups for completion in group.completions], device=device)
    return torch.repeat_interleave(torch.arange(len(lengths), device=device), lengths)


def micro_batches(items: Sequence[_Item], size: Callable[[_Item], int], *, budget: int) -> list[list[_Item]]:
    """Split items into few micro batches within a token budget, of about equal size to keep the peak low.

    An item larger than the budget gets a micro batch of its own. Longest first into the lightest part (Graham 1969),
    with more parts until all fit. Deterministic: the same items in the same order give the same parts.
    """
    order = sorted(items, key=size, reverse=True)
    count = -(-sum(map(size, items)) // budget)
    while count < len(items):
        parts = _lightest_first(order, size, count)
        if all(len(part) == 1 or sum(map(size, part)) <= budget for part in parts):
            return parts
        count += 1 + count // 50
    return [[item] for item in order]


def _lightest_first(order: Sequence[_Item], size: Callable[[_Item], int], count: int) -> list[list[_Item]]:
    parts: list[list[_Item]] = [[] for _ in range(count)]
    loads = [(0, i) for i in range(count)]  # a heap of (tokens, part)
    for item in order:
        load, i = loads[0]
        parts[i].append(item)
        heapreplace(loads, (load + size(item), i))
    return parts
