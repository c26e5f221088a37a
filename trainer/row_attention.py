"""Attention in which every row of a batch has its own length and its own keys and values.

Registered with transformers' attention interface, so that any decoder built on it decodes rows of
unequal length without padding. A row's arithmetic has the same shapes whoever shares the batch: that is
half of the promise that a seed and a version give the same tokens in any company (the other half, the
LoRA, is row_lora.py). Knows nothing of sampling or adapters.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

from data.errors import ModelError

NAME = "prefloop_rows"


@dataclass(slots=True)
class RowCache:
    """Keys and values of one sequence, per layer [kv_heads, capacity, head_dim], filled up to length.

    A layer's tensors are made when its first keys arrive, whose shape and dtype they take.
    """

    capacity: int
    length: int = 0
    keys: dict[int, Tensor] = field(default_factory=dict)
    values: dict[int, Tensor] = field(default_factory=dict)

    def put(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append key and value [kv_heads, T, head_dim] after `length`; return all so far, views of the store."""
        end = self.length + key.shape[1]
        if layer not in self.keys:
            self.keys[layer] = key.new_empty(key.shape[0], self.capacity, key.shape[2])
            self.values[layer] = value.new_empty(value.shape[0], self.capacity, value.shape[2])
        self.keys[layer][:, self.length : end] = key
        self.values[layer][:, self.length : end] = value
        return self.keys[layer][:, :end], self.values[layer][:, :end]

    def fork(self) -> "RowCache":
        """An independent copy: the second answer of a pair goes on from the same prefill."""
        return RowCache(
            self.capacity,
            self.length,
            {layer: key.clone() for layer, key in self.keys.items()},
            {layer: value.clone() for layer, value in self.values.items()},
        )


def _window_mask(length: int, window: int, device: torch.device) -> Tensor:
    """Causal mask [T, T] that also hides what is `window` or more positions back."""
    at = torch.arange(length, device=device)
    distance = at[:, None] - at[None, :]
    return (distance >= 0) & (distance < window)


def _attend(query: Tensor, key: Tensor, value: Tensor, scaling: float | None, window: int | None) -> Tensor:
    """One row: query [heads, T, d] on keys [kv_heads, S, d]; T is S (prefill) or 1 (decode)."""
    steps = query.shape[1]
    mask = None
    if window is not None and key.shape[1] > window:
        if steps == 1:
            key, value = key[:, -window:], value[:, -window:]
        else:
            mask = _window_mask(steps, window, query.device)
    return F.scaled_dot_product_attention(
        query[None],
        key[None],
        value[None],
        attn_mask=mask,
        is_causal=steps > 1 and mask is None,
        scale=scaling,
        enable_gqa=query.shape[0] != key.shape[0],
    )[0]


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
        keys, values = row.put(layer, key[i], value[i])
        out[i] = _attend(query[i], keys, values, scaling, sliding_window)
    return out.transpose(1, 2), None


def _no_mask(*_: object, **__: object) -> None:
    return None


def register() -> str:
    """Make the interface known to transformers (idempotent); returns its name for `set_attn_implementation`."""
    AttentionInterface.register(NAME, row_attention)
    AttentionMaskInterface.register(NAME, _no_mask)
    return NAME
