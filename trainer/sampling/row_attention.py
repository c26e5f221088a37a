"""Attention in which every row of a batch has its own length and its own KV cache.

Registered with transformers' attention interface, so that any decoder built on it decodes rows of unequal length
without padding. A row's arithmetic has the same shapes whatever the other rows are. This is half of the guarantee that
seed and version determine the tokens in any batch; the other half, the linear modules, is row_linear.py.
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

# Positions by which a cache grows. Growing copies it once: 1/128 of what attention reads in the meantime.
_BLOCK = 128


@dataclass(slots=True)
class RowCache:
    """KV cache of one sequence, per layer [1, kv_heads, room, head_dim], filled up to length.

    A layer's tensors are allocated when its first keys arrive, with their shape and dtype, and grow in blocks: the
    room depends on the length alone, and so does the kernel's behaviour.
    """

    length: int = 0
    keys: dict[int, Tensor] = field(default_factory=dict)
    values: dict[int, Tensor] = field(default_factory=dict)

    def put(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append key and value [1, kv_heads, T, head_dim] after `length`; returns views of all so far."""
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
        """Return an independent copy, so that another answer can continue from the same prefill."""
        fork = RowCache()
        for layer, keys in self.keys.items():
            fork.put(layer, keys[:, :, : self.length], self.values[layer][:, :, : self.length])
        fork.length = self.length
        return fork


def _window_mask(length: int, window: int, device: torch.device) -> Tensor:
    """Return a causal mask [T, T], true where visible, that also hides positions `window` or more back."""
    at = torch.arange(length, device=device)
    distance = at[:, None] - at[None, :]
    return (distance >= 0) & (distance < window)


@dataclass(frozen=True, slots=True)
class Extras:
    """Additions to the scaled dot product: a soft cap (Gemma 2), sinks [heads] (gpt-oss)."""

    softcap: float | None = None
    sinks: Tensor | None = None

    @property
    def none(self) -> bool:
        """Whether it is the plain scaled dot product."""
        return self.softcap is None and self.sinks is None

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float | None, mask: Tensor | None) -> Tensor:
        """Attend from query [1, heads, T, d] to key, value [1, kv_heads, S, d]; mask [T, S] is true where visible."""
        share = query.shape[1] // key.shape[1]
        key, value = (states.repeat_interleave(share, 1) for states in (key, value))
        scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
        if self.softcap is not None:
            scores = torch.tanh(scores / self.softcap) * self.softcap
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        if self.sinks is not None:  # one extra position per head, which takes weight and contributes nothing
            sinks = self.sinks.to(scores.dtype).view(1, -1, 1, 1).expand(1, -1, scores.shape[2], 1)
            scores = torch.cat((scores, sinks), -1)
        weights = torch.softmax(scores, -1, dtype=torch.float32).to(value.dtype)
        return weights[..., : key.shape[2]] @ value


def attend(query: Tensor, key: Tensor, value: Tensor, scaling: float | None, window: int | None) -> Tensor:
    """Attend from one row's new position: query [1, kv_heads, heads / kv_heads, d], keys, values [1, kv_heads, S, d].

    Heads that share a key head are passed as several queries of it: no copies of the keys, and a third faster.
    """
    key, value = _near(key, window), _near(value, window)
    return F.scaled_dot_product_attention(query, key, value, scale=scaling)


def _near(states: Tensor, window: int | None) -> Tensor:
    """Return the positions of states [1, kv_heads, S, d] that the last one still sees."""
    return states if window is None or states.shape[2] <= window else states[:, :, -window:]


def _attend_all(
    query: Tensor, key: Tensor, value: Tensor, scaling: float | None, window: int | None, extras: Extras
) -> Tensor:
    """Attend in a prefill: query [1, heads, T, d] on keys and values [1, kv_heads, T, d]."""
    length = query.shape[2]
    window = window if window is not None and length > window else None
    if not extras.none:
        return extras.attend(query, key, value, scaling, _window_mask(length, window or length, query.device))
    mask = _window_mask(length, window, query.device) if window is not None else None
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
    attention_mask: int | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    rows: list[RowCache] | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """Implement transformers' attention: query [B, heads, T, d] -> output [B, T, heads, d of values].

    Row i of the batch attends to rows[i]; batch rows beyond len(rows) are filler and give zeros. attention_mask is the
    value returned by `_reach`. Raises ModelError for a forward pass that does not fit.
    """
    if rows is None:
        raise ModelError("its forward pass does not hand the rows through")
    if isinstance(attention_mask, Tensor):
        raise ModelError("its forward pass makes a mask of its own")
    if attention_mask != sliding_window:
        raise ModelError(f"its attention is local, and not by a sliding window ({attention_mask} tokens)")
    layer = int(module.layer_idx)  # type: ignore[arg-type]  # every transformers attention module has it
    extras = Extras(softcap, s_aux)
    out = query.new_zeros(*query.shape[:3], value.shape[3])  # values may have another width than queries (MLA)
    for i, row in enumerate(rows):
        q = query[i : i + 1]
        keys, values = row.put(layer, key[i : i + 1], value[i : i + 1])
        if q.shape[2] > 1:
            out[i] = _attend_all(q, keys, values, scaling, sliding_window, extras)[0]
        elif extras.none:
            grouped = q.reshape(1, keys.shape[1], -1, q.shape[3])
            out[i] = attend(grouped, keys, values, scaling, sliding_window).reshape(out.shape[1:])
        else:
            keys, values = _near(keys, sliding_window), _near(values, sliding_window)
            out[i] = extras.attend(q, keys, values, scaling, None)[0]
    return out.transpose(1, 2), None


def _reach(*_: object, local_size: int | None = None, **__: object) -> int | None:
    """Replace transformers' mask builder: return the width of the model's local attention, None if it is global."""
    return local_size


def register() -> str:
    """Register the attention with transformers (idempotent); returns its name."""
    AttentionInterface.register(NAME, row_attention)
    AttentionMaskInterface.register(NAME, _reach)
    return NAME


@contextmanager
def attention(model: PreTrainedModel, name: str) -> Iterator[None]:
    """Use this attention implementation in the model's forward passes within the block; restore the previous one after.

    Set on the config, where the forward pass looks it up: `set_attn_implementation` would walk all modules each time.
    """
    config = model.config.get_text_config()
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before
