"""One decode step of a Llama-like model, without the overhead of transformers' call layers.

A small model spends most of a step there: of 11 ms for six layers of width 256, 5 were call overhead. Weights and
rotary embedding are the model's own; the sampler verifies at the start that both ways give the same logits. Prefill
still goes through transformers, as do the decode steps of every other kind of model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from trainer.sampling.row_attention import RowCache, attend
from trainer.sampling.row_lora import RowLora

# values of `config.model_type` with this architecture
_FAMILY = ("llama", "mistral", "qwen2", "qwen3")

_Product = Callable[[Tensor], Tensor]


def decodes(model: PreTrainedModel) -> bool:
    """Return whether `Decoder` supports this kind of model."""
    return model.config.model_type in _FAMILY


def together(model: PreTrainedModel) -> list[tuple[str, ...]]:
    """Return names of linear modules that read the same input: query, key and value; gate and up."""
    if not decodes(model):
        return []
    layers = [f"model.layers.{i}" for i in range(model.config.num_hidden_layers)]
    attention = [tuple(f"{layer}.self_attn.{part}_proj" for part in "qkv") for layer in layers]
    return attention + [(f"{layer}.mlp.gate_proj", f"{layer}.mlp.up_proj") for layer in layers]


@dataclass(frozen=True, slots=True)
class _Layer:
    """transformers' modules of one layer (attention, mlp, norms), and the products of its linear modules."""

    block: Any
    qkv: _Product
    out: _Product
    gate_up: _Product
    down: _Product
    window: int | None


class Decoder:
    """Decodes one token per row. Requires that `decodes(model)` is true and that `lora` was made with `together`."""

    def __init__(self, model: PreTrainedModel, lora: RowLora) -> None:
        self._model: Any = model.model
        self._config: Any = model.config
        attention = self._model.layers[0].self_attn
        self._head_dim = int(attention.head_dim)
        self._heads = attention.q_proj.out_features // self._head_dim
        self._key_heads = attention.k_proj.out_features // self._head_dim
        groups = together(model)
        self._layers = [
            self._layer(i, groups[i], groups[i + len(groups) // 2], lora) for i in range(self._config.num_hidden_layers)
        ]
        self._head = lora.product(("lm_head",))

    def _layer(self, index: int, qkv: tuple[str, ...], gate_up: tuple[str, ...], lora: RowLora) -> _Layer:
        block = self._model.layers[index]
        name = f"model.layers.{index}"
        return _Layer(
            block=block,
            qkv=lora.product(qkv),
            out=lora.product((f"{name}.self_attn.o_proj",)),
            gate_up=lora.product(gate_up),
            down=lora.product((f"{name}.mlp.down_proj",)),
            # Mistral has one window for all layers, Qwen one per layer, Llama none
            window=getattr(block.self_attn, "sliding_window", getattr(self._config, "sliding_window", None)),
        )

    def step(self, tokens: Tensor, positions: Tensor, caches: Sequence[RowCache]) -> Tensor:
        """Tokens and positions [rows] -> logits [rows, V]; row i appends to caches[i], further rows are filler."""
        x = self._model.embed_tokens(tokens)
        cos, sin = self._model.rotary_emb(x[:, None], positions[:, None])
        for index, layer in enumerate(self._layers):
            block = layer.block
            mixed = self._attention(index, layer, layer.qkv(_norm(block.input_layernorm, x)), (cos, sin), caches)
            x = x + layer.out(mixed)
            gate, up = layer.gate_up(_norm(block.post_attention_layernorm, x)).chunk(2, -1)
            x = x + layer.down(block.mlp.act_fn(gate) * up)
        return self._head(_norm(self._model.norm, x))

    def _attention(
        self, index: int, layer: _Layer, qkv: Tensor, rotary: tuple[Tensor, Tensor], caches: Sequence[RowCache]
    ) -> Tensor:
        """Query, key and value concatenated [rows, ...] -> attention output [rows, heads * head_dim]."""
        attention = layer.block.self_attn
        # heads [rows, heads + 2 * kv_heads, d]; query and key get the rotary embedding, value does not
        heads = qkv.view(len(qkv), -1, self._head_dim)
        turned, value = heads.split_with_sizes((self._heads + self._key_heads, self._key_heads), 1)
        if hasattr(attention, "q_norm"):
            query, key = turned.split_with_sizes((self._heads, self._key_heads), 1)
            turned = torch.cat((_norm(attention.q_norm, query), _norm(attention.k_norm, key)), 1)
        query, key = _rotated(turned, *rotary).split_with_sizes((self._heads, self._key_heads), 1)
        # query [rows, kv_heads, heads / kv_heads, d]: the heads that share a key head, as `attend` takes them
        query = query.view(len(qkv), self._key_heads, -1, self._head_dim)
        gathered = []
        each = (part.chunk(len(qkv)) for part in (query, key[:, :, None], value[:, :, None]))
        parts = zip(caches, *each, strict=False)  # rows beyond the caches are filler
        for cache, q, k, v in parts:
            keys, values = cache.put(index, k, v)
            gathered.append(attend(q, keys, values, attention.scaling, layer.window))
        filler = query.new_zeros(len(qkv) - len(caches), *query.shape[1:])
        return torch.cat((*gathered, filler)).view(len(qkv), -1)


def _norm(module: Any, x: Tensor) -> Tensor:  # noqa: ANN401  # every family has a class of its own
    return F.rms_norm(x, x.shape[-1:], module.weight, module.variance_epsilon)


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (Su 2021, 2104.09864) in the half-split form of transformers: x [rows, heads, d]."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin
