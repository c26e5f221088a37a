"""Attention for packed groups: a completion sees its prompt and itself, nothing else sees anything of others.

Registered with transformers' attention interface, so that any decoder built on it trains on packed groups with
its own modules. What cannot see each other is never multiplied: every part is one small call. Knows nothing of
losses or adapters.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface

from data.errors import ModelError
from trainer.packing import Packing

NAME = "prefloop_packed"


@contextmanager
def packed_attention(model: PreTrainedModel) -> Iterator[None]:
    """Within, the model's forward pass takes `packing=` and attends as it says."""
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
    """transformers' attention signature: query [1, heads, T, d], key and value [1, kv_heads, T, d] -> [1, T, heads, d].

    attention_mask is what `_reach` made of it. Raises ModelError for an attention that has more to it than the scaled
    dot product and a sliding window.
    """
    if softcap is not None or s_aux is not None:
        raise ModelError("this model's attention has a soft cap or sinks")
    if packing is None:
        raise ModelError("this model's forward pass does not hand the packing through")
    if attention_mask != sliding_window:
        raise ModelError(f"this model's attention is local, and not by a sliding window ({attention_mask} tokens)")
    lengths = [length for part in packing.parts for length in part]
    parts = iter(zip(*(torch.split(states, lengths, 2) for states in (query, key, value)), strict=True))
    attend = partial(_attend, masks=packing.masks, scaling=scaling, window=sliding_window)
    out = []
    for group in packing.parts:
        prompt_query, prompt_key, prompt_value = next(parts)
        out.append(attend(prompt_query, prompt_key, prompt_value))
        for _completion in group[1:]:
            q, k, v = next(parts)
            out.append(attend(q, torch.cat([prompt_key, k], 2), torch.cat([prompt_value, v], 2)))
    return torch.cat(out, 2).transpose(1, 2), None


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    masks: dict[Hashable, Tensor],
    scaling: float | None,
    window: int | None,
) -> Tensor:
    """Causal attention of the last T of S places, query [1, heads, T, d] on keys and values [1, kv_heads, S, d]."""
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
    """Additive mask [steps, places]: -inf on what comes later, or lies `window` or more places back."""
    at = torch.arange(places, device=like.device)
    distance = at[places - steps :, None] - at
    hidden = distance < 0 if window is None else (distance < 0) | (distance >= window)
    return like.new_zeros(hidden.shape).masked_fill_(hidden, -torch.inf)


def _reach(*_: object, local_size: int | None = None, **__: object) -> int | None:
    """In place of a mask: how far the model wants it to let through; None without an end."""
    return local_size
