"""Attention for packed groups: a completion attends to its prompt and itself, never to another completion or group.

It is registered with transformers' attention interface, so that any decoder built on it trains on packed groups with
its own modules. On the CPU, blocks that cannot see each other are never multiplied: each part is one small call. On a
GPU small calls are dominated by launch overhead, so groups of similar length are padded into a grid, one call per grid.
"""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface

from data.errors import ModelError
from trainer.forward.packing import Packing

NAME = "prefloop_packed"


@contextmanager
def packed_attention(model: PreTrainedModel) -> Iterator[None]:
    """While the block runs, the model's forward pass takes `packing=` and attends accordingly."""
    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, _reach)
    config = model.config.get_text_config()
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: int | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    packing: Packing | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """Implement transformers' attention: query [1, heads, T, d], key, value [1, kv_heads, T, d] -> [1, T, heads, d].

    attention_mask is the value returned by `_reach`. Raises ModelError for attention that needs more than the scaled
    dot product and a sliding window.
    """
    if softcap is not None or s_aux is not None:
        raise ModelError("this model's attention has a soft cap or sinks")
    if packing is None:
        raise ModelError("this model's forward pass does not hand the packing through")
    if attention_mask != sliding_window:
        raise ModelError(f"this model's attention is local, and not by a sliding window ({attention_mask} tokens)")
    attend = in_grids if query.is_cuda else in_parts
    return attend(query, key, value, packing, scaling, sliding_window), None


def in_parts(
    query: Tensor, key: Tensor, value: Tensor, packing: Packing, scaling: float | None, window: int | None
) -> Tensor:
    """Attend with one call per prompt and per completion: query [1, heads, T, d], key, value [1, kv_heads, T, d]."""
    lengths = [length for part in packing.parts for length in part]
    parts = iter(zip(*(torch.split(states, lengths, 2) for states in (query, key, value)), strict=True))
    attend = partial(_attend, masks=packing.masks, scaling=scaling, window=window)
    out = []
    for group in packing.parts:
        prompt_query, prompt_key, prompt_value = next(parts)
        out.append(attend(prompt_query, prompt_key, prompt_value))
        # each completion attends to the prompt's keys and values followed by its own
        for _completion in group[1:]:
            q, k, v = next(parts)
            out.append(attend(q, torch.cat([prompt_key, k], 2), torch.cat([prompt_value, v], 2)))
    return torch.cat(out, 2).transpose(1, 2)


def in_grids(
    query: Tensor, key: Tensor, value: Tensor, packing: Packing, scaling: float | None, window: int | None
) -> Tensor:
    """Attend with one call per grid; shorter groups in a grid are padded, to less than twice their tokens."""
    if (name := ("grids", window)) not in packing.masks:
        packing.masks[name] = grids(packing, window, query)
    repeat = query.shape[1] // key.shape[1]  # kernels that take a mask need as many key heads as query heads
    # rows: [T, heads, d] each, so that indexing by places [G, L] gives [G, L, heads, d]
    rows = [states[0].transpose(0, 1) for states in (query, *(x.repeat_interleave(repeat, 1) for x in (key, value)))]
    out = torch.zeros_like(rows[2])  # values may have another width than queries
    for grid in packing.masks[name]:
        q, k, v = (row[grid.places].transpose(1, 2) for row in rows)
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=grid.mask, scale=scaling)
        out = out.index_copy(0, grid.tokens, found.transpose(1, 2).flatten(0, 1)[grid.cells])
    return out[None]


@dataclass(frozen=True, slots=True)
class Grid:
    """Groups side by side in G rows of L cells; L is a multiple of 8, as kernels require.

    places [G, L]: index of a cell's token in the packed row, 0 for padding. mask [G, 1, L, L]: additive attention mask.
    cells [N], tokens [N]: flat indices of the cells that hold a token, and that token's index in the packed row.
    """

    places: Tensor
    mask: Tensor
    cells: Tensor
    tokens: Tensor


def grids(packing: Packing, window: int | None, like: Tensor) -> list[Grid]:
    """Sort a packing's groups by length into grids; in each, every group is at least half as long as the longest."""
    sizes = [sum(group) for group in packing.parts]
    starts = list(accumulate(sizes, initial=0))
    order = sorted(range(len(sizes)), key=lambda group: -sizes[group])
    found: list[list[int]] = []
    for group in order:
        if not found or 2 * sizes[group] < sizes[found[-1][0]]:
            found.append([])
        found[-1].append(group)
    return [
        _grid(packing, [(starts[group], packing.parts[group]) for group in groups], window, like) for groups in found
    ]


def _grid(packing: Packing, groups: Sequence[tuple[int, tuple[int, ...]]], window: int | None, like: Tensor) -> Grid:
    width = -(-max(sum(lengths) for _, lengths in groups) // 8) * 8
    places = torch.zeros(len(groups), width, dtype=torch.long)
    part = torch.full((len(groups), width), -1)  # 0: prompt, 1...: completions, -1: padding, which attends to itself
    for row, (start, lengths) in enumerate(groups):
        size = sum(lengths)
        places[row, :size] = torch.arange(start, start + size)
        part[row, :size] = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    places, part = places.to(like.device), part.to(like.device)
    at = torch.arange(width, device=like.device)
    # seen [G, L, L]: causal, and either the key is in the prompt or query and key are in the same part
    seen = (at[:, None] >= at) & ((part[:, None, :] == 0) | (part[:, :, None] == part[:, None, :]))
    if window is not None:
        position = packing.position_ids[0, places]
        near = position[:, :, None] - position[:, None, :] < window
        # padding has no positions of its own; keep its row open, as a row of -inf alone would give NaN
        seen &= near | (part[:, :, None] < 0)
    mask = like.new_zeros(seen.shape).masked_fill_(~seen, -torch.inf)
    cells = (part >= 0).flatten().nonzero()[:, 0]
    return Grid(places, mask[:, None], cells, places.flatten()[cells])


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    masks: dict[Hashable, Any],
    scaling: float | None,
    window: int | None,
) -> Tensor:
    """Attend causally: query [1, heads, T, d] are the last T of S positions, keys and values [1, kv_heads, S, d]."""
    steps, places = query.shape[2], key.shape[2]
    window = window if window is not None and window < places else None
    mask = None
    if steps < places or window is not None:
        shape = steps, places, window
        if shape not in masks:
            masks[shape] = _mask(*shape, query)
        mask = masks[shape]
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        is_causal=mask is None and steps > 1,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )


def _mask(steps: int, places: int, window: int | None, like: Tensor) -> Tensor:
    """Return an additive mask [steps, places]: -inf for later positions and those `window` or more positions back."""
    at = torch.arange(places, device=like.device)
    distance = at[places - steps :, None] - at
    hidden = distance < 0 if window is None else (distance < 0) | (distance >= window)
    return like.new_zeros(hidden.shape).masked_fill_(hidden, -torch.inf)


def _reach(*_: object, local_size: int | None = None, **__: object) -> int | None:
    """Replace transformers' mask builder: return the width of the model's local attention, None if it is global."""
    return local_size
