"""Attention in which every row of a batch has its own length and its own keys and values.

Registered with transformers' attention interface, so that any decoder built on it decodes rows of
unequal length without padding. A row's arithmetic has the same shapes whoever shares the batch: that is
half of the promise that a seed and a version give the same tokens in any company (the other half, the
linear modules, is row_linear.py). Knows nothing of sampling or adapters.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface

from data.errors import ModelError

NAME = "prefloop_rows"

# Positions by which a cache grows. Where it does, all before is copied once: 1/128 of what attention reads meanwhile.
_BLOCK = 128


@dataclass(slots=True)
class RowCache:
    """Keys and values of one sequence, per layer [1, kv_heads, room, head_dim], filled up to length.

    A layer's tensors are made when its first keys arrive, whose shape and dtype they take, and grow by blocks: the
    room depends on the length alone, and so does whatever a kernel makes of it.
    """

    length: int = 0
    keys: dict[int, Tensor] = field(default_factory=dict)
    values: dict[int, Tensor] = field(default_factory=dict)

    def put(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append key and value [1, kv_heads, T, head_dim] after `length`; return all so far, views of the store."""
        return self._append(self.keys, layer, key), self._append(self.values, layer, value)

    def _append(self, store: dict[int, Tensor], layer: int, new: Tensor) -> Tensor:
        end = self.length + new.shape[2]
        held = store.get(layer)
        if held is None or held.shape[2] < end:
            grown = new.new_empty(*new.shape[:2], -(-end // _BLOCK) * _BLOCK, new.shape[3])
            if held is not None:
                grown.narrow(2, 0, self.length).copy_(held.narrow(2, 0, self.length))
            store[layer] = held = grown
        held.narrow(2, self.length, new.shape[2]).copy_(new)
        return held.narrow(2, 0, end)

    def fork(self) -> "RowCache":
        """An independent copy: another answer goes on from the same prefill."""
        fork = RowCache()
        for layer, keys in self.keys.items():
            fork.put(layer, keys[:, :, : self.length], self.values[layer][:, :, : self.length])
        fork.length = self.length
        return fork


def _window_mask(length: int, window: int, device: torch.device) -> Tensor:
    """Causal mask [T, T] that also hides what is `window` or more positions back."""
    at = torch.arange(length, device=device)
    distance = at[:, None] - at[None, :]
    return (distance >= 0) & (distance < window)


def attend(query: Tensor, key: Tensor, value: Tensor, scaling: float | None, window: int | None) -> Tensor:
    """One row's new position: query [1, kv_heads, heads / kv_heads, d] on keys and values [1, kv_heads, S, d].

    The heads that share a key head stand as its queries: no copy of the keys for each, and a third faster.
    """
    if window is not None and key.shape[2] > window:
        key, value = key[:, :, -window:], value[:, :, -window:]
    return F.scaled_dot_product_attention(query, key, value, scale=scaling)


def _attend_all(query: Tensor, key: Tensor, value: Tensor, scaling: float | None, window: int | None) -> Tensor:
    """A prefill: query [1, heads, T, d] on keys and values [1, kv_heads, T, d]."""
    length = query.shape[2]
    mask = _window_mask(length, window, query.device) if window is not None and length > window else None
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        is_causal=mask is None,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )


def row_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    rows: list[RowCache] | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """transformers' attention signature: query [B, heads, T, d] -> output [B, T, heads, d].

    Row i of the batch attends to rows[i]; rows of the batch beyond len(rows) are filler and give zeros.
    """
    if softcap is not None or s_aux is not None:
        raise ModelError("this model's attention has a soft cap or sinks, which prefloop's sampler does not have")
    if rows is None or attention_mask is not None:
        raise RuntimeError(f"{NAME} needs rows and no mask; this model's forward pass gave others")
    layer = int(module.layer_idx)  # type: ignore[arg-type]  # every transformers attention module has it
    out = torch.zeros_like(query)
    for i, row in enumerate(rows):
        q = query[i : i + 1]
        keys, values = row.put(layer, key[i : i + 1], value[i : i + 1])
        if q.shape[2] == 1:
            grouped = q.reshape(1, keys.shape[1], -1, q.shape[3])
            out[i] = attend(grouped, keys, values, scaling, sliding_window).view(out.shape[1:])
        else:
            out[i] = _attend_all(q, keys, values, scaling, sliding_window)[0]
    return out.transpose(1, 2), None


def _no_mask(*_: object, **__: object) -> None:
    return None


def register() -> str:
    """Make the interface known to transformers (idempotent); returns its name."""
    AttentionInterface.register(NAME, row_attention)
    AttentionMaskInterface.register(NAME, _no_mask)
    return NAME


@contextmanager
def attention(model: PreTrainedModel, name: str) -> Iterator[None]:
    """Within, the model's forward passes use this attention implementation; after, the one it had before.

    Set on the config, where the forward pass looks it up: `set_attn_implementation` walks all modules each time.
    """
    config = model.config.get_text_config()
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before
