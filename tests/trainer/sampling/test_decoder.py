"""The decoder's steps against transformers' own forward pass, family by family."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

import trainer.sampling.row_lora
from tests.trainer.scene import random_lora
from trainer.sampling.decoder import Decoder, decodes, together
from trainer.sampling.row_attention import RowCache, attention, register
from trainer.sampling.row_lora import RowLora

SIZES: dict[str, Any] = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 120,
    "max_position_embeddings": 128,
}
ROWS = 4
SEQUENCES = [list(range(5, 22)), list(range(40, 43)), list(range(60, 71))]


def models() -> dict[str, PreTrainedModel]:
    torch.manual_seed(0)
    scaled: Any = {"rope_type": "linear", "factor": 4.0, "rope_theta": 5e4}
    found: dict[str, PreTrainedModel] = {
        "llama": LlamaForCausalLM(LlamaConfig(**SIZES, attention_bias=True, mlp_bias=True)),
        "llama tied and scaled": LlamaForCausalLM(
            LlamaConfig(**SIZES, tie_word_embeddings=True, rope_parameters=scaled)
        ),
        "mistral": MistralForCausalLM(MistralConfig(**SIZES, sliding_window=6)),
        "qwen2": Qwen2ForCausalLM(Qwen2Config(**SIZES, use_sliding_window=True, max_window_layers=1, sliding_window=6)),
        "qwen3": Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=16)),
    }
    for model in found.values():
        for name, parameter in model.named_parameters():  # biases start at 0 and norms at 1: they would hide mistakes
            if parameter.ndim == 1:
                nn.init.normal_(parameter, mean=float("norm" in name), std=0.2)
    return found


@pytest.fixture(params=list(models()))
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    model = models()[request.param]
    model.eval().requires_grad_(False)
    return model


@pytest.fixture(params=[True, False], ids=["packed", "transposed"])
def lora(request: pytest.FixtureRequest, model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch) -> RowLora:
    if not request.param:
        monkeypatch.setattr(trainer.sampling.row_lora, "_PACK_BELOW", 0)
    lora = RowLora(model, rows=ROWS, together=together(model))
    for seed, name in enumerate(("v1", "v2")):
        lora.load(name, random_lora(model, seed=seed))
    if not request.param:
        assert not lora.packed
    lora.fold(None)
    return lora


@torch.no_grad()
def whole(model: PreTrainedModel, lora: RowLora, ids: list[int], name: str | None) -> Tensor:
    """Logits [V] after a sequence, by transformers' forward pass and attention."""
    with lora.acting([name]):
        logits: Tensor = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
    return logits


@torch.no_grad()
def prefilled(model: PreTrainedModel, lora: RowLora, ids: list[int], name: str | None) -> RowCache:
    cache = RowCache()
    with attention(model, register()), lora.acting([name]):
        model(input_ids=torch.tensor([ids]), use_cache=False, rows=[cache])
    cache.length = len(ids)
    return cache


@torch.no_grad()
def step(decoder: Decoder, tokens: list[int], caches: list[RowCache]) -> Tensor:
    filler = [0] * (ROWS - len(tokens))
    positions = [cache.length for cache in caches] + filler
    logits = decoder.step(torch.tensor(tokens + filler), torch.tensor(positions), caches)
    for cache in caches:
        cache.length += 1
    return logits


@pytest.mark.parametrize("names", [(None, None, None), ("v1", "v1", "v1"), ("v1", None, "v2")])
def test_steps_equal_transformers(model: PreTrainedModel, lora: RowLora, names: tuple[str | None, ...]) -> None:
    decoder = Decoder(model, lora)
    sequences = [list(ids) for ids in SEQUENCES]
    caches = [prefilled(model, lora, ids, name) for ids, name in zip(sequences, names, strict=True)]
    for turn in range(8):
        tokens = [80 + turn, 95 - turn, 100 + turn]
        lora.use(names)
        got = step(decoder, tokens, caches)
        for row, token in enumerate(tokens):
            sequences[row].append(token)
            expected = whole(model, lora, sequences[row], names[row])
            torch.testing.assert_close(got[row], expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("lora", [True], ids=["packed"], indirect=True)  # only packed weights can have one
def test_with_an_adapter_folded_in_they_equal_transformers_too(model: PreTrainedModel, lora: RowLora) -> None:
    decoder = Decoder(model, lora)
    for name in ("v1", "v2", None):
        caches = [prefilled(model, lora, SEQUENCES[0], name)]
        lora.fold(name)
        lora.use([None])
        got = step(decoder, [80], caches)[0]
        torch.testing.assert_close(got, whole(model, lora, [*SEQUENCES[0], 80], name), rtol=1e-5, atol=2e-5)


def test_filler_and_neighbours_change_no_bit(model: PreTrainedModel, lora: RowLora) -> None:
    decoder = Decoder(model, lora)

    def caches() -> list[RowCache]:
        return [prefilled(model, lora, ids, None) for ids in SEQUENCES]

    first, second, third = caches()
    lora.use(["v1"])
    alone = step(decoder, [80], [first])[0]
    first, second, third = caches()
    lora.use(["v2", "v1", None])
    company = step(decoder, [7, 80, 9], [second, first, third])[1]
    assert torch.equal(alone, company)


def test_other_families_are_left_to_transformers() -> None:
    model = GraniteForCausalLM(GraniteConfig(**SIZES))
    assert not decodes(model)
    assert together(model) == []
