"""Attention by row: on transformers' own decoders, windows and grouped heads included."""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GptOssConfig,
    GptOssForCausalLM,
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

from data.errors import ModelError
from trainer.sampling.row_attention import RowCache, attention, register

SIZES: dict[str, Any] = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "vocab_size": 120,
    "max_position_embeddings": 128,
}
WINDOW = 6
LATENT: dict[str, Any] = {
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 12,
    "first_k_dense_replace": 3,
}


def models() -> dict[str, PreTrainedModel]:
    torch.manual_seed(0)
    window: dict[str, Any] = {"sliding_window": WINDOW}
    return {
        "llama": LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=4)),
        "llama grouped": LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=2)),
        "mistral window": MistralForCausalLM(MistralConfig(**SIZES, num_key_value_heads=2, **window)),
        "qwen2 mixed windows": Qwen2ForCausalLM(
            Qwen2Config(**SIZES, num_key_value_heads=2, use_sliding_window=True, max_window_layers=1, **window)
        ),
        "gemma2, soft caps and windows": Gemma2ForCausalLM(
            Gemma2Config(**SIZES, num_key_value_heads=2, head_dim=16, attn_logit_softcapping=2.0, **window)
        ),
        "gpt-oss, sinks and windows": GptOssForCausalLM(
            GptOssConfig(
                **SIZES, num_key_value_heads=2, head_dim=16, num_local_experts=2, num_experts_per_tok=2, **window
            )
        ),
        "deepseek, values narrower than queries": DeepseekV3ForCausalLM(DeepseekV3Config(**SIZES, **LATENT)),
        "qwen3": Qwen3ForCausalLM(Qwen3Config(**SIZES, num_key_value_heads=2, head_dim=16)),
    }


@torch.no_grad()
def plainly(model: PreTrainedModel, ids: list[int]) -> Tensor:
    """Logits [T, V] by transformers' own attention."""
    logits: Tensor = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    return logits


@torch.no_grad()
def by_rows(model: PreTrainedModel, ids: list[list[int]], starts: list[int], rows: list[RowCache]) -> Tensor:
    tokens = torch.tensor(ids)
    positions = torch.tensor(starts)[:, None] + torch.arange(tokens.shape[1])
    with attention(model, register()):
        logits: Tensor = model(input_ids=tokens, position_ids=positions, use_cache=False, rows=rows).logits
    for row in rows:
        row.length += tokens.shape[1]
    return logits


@pytest.fixture(params=list(models()))
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    model = models()[request.param]
    model.eval()
    return model


@pytest.mark.parametrize("length", [1, 5, WINDOW, WINDOW + 1, 20])
def test_a_prefill_equals_transformers(model: PreTrainedModel, length: int) -> None:
    ids = list(range(5, 5 + length))
    got = by_rows(model, [ids], [0], [RowCache()])[0]
    torch.testing.assert_close(got, plainly(model, ids), rtol=0, atol=1e-5)


def test_rows_of_unequal_length_decode_as_if_each_were_alone(model: PreTrainedModel) -> None:
    sequences = [list(range(5, 22)), list(range(40, 43)), list(range(60, 71))]
    steps = 9
    caches = [RowCache() for ids in sequences]
    for ids, cache in zip(sequences, caches, strict=True):
        by_rows(model, [ids], [0], [cache])
    for step in range(steps):
        tokens = [80 + step, 95 - step, 100 + step]
        got = by_rows(model, [[t] for t in tokens], [c.length for c in caches], caches)
        for row, token in enumerate(tokens):
            sequences[row].append(token)
            torch.testing.assert_close(got[row, -1], plainly(model, sequences[row])[-1], rtol=0, atol=1e-5)


def test_the_window_of_the_test_models_hides_something() -> None:
    """Otherwise the comparisons above would prove nothing of windows."""
    model = models()["mistral window"].eval()
    ids = list(range(5, 25))
    windowed = plainly(model, ids)
    for layer in model.model.layers:
        layer.self_attn.sliding_window = None
    model.config.sliding_window = None
    assert (plainly(model, ids)[-1] - windowed[-1]).abs().max() > 1e-4


def test_a_fork_goes_its_own_way(model: PreTrainedModel) -> None:
    ids = list(range(5, 15))
    first = RowCache()
    by_rows(model, [ids], [0], [first])
    second = first.fork()
    by_rows(model, [[50], [60]], [10, 10], [first, second])
    got = by_rows(model, [[51], [61]], [11, 11], [first, second])
    torch.testing.assert_close(got[0, -1], plainly(model, [*ids, 50, 51])[-1], rtol=0, atol=1e-5)
    torch.testing.assert_close(got[1, -1], plainly(model, [*ids, 60, 61])[-1], rtol=0, atol=1e-5)


def test_a_cache_that_grows_holds_all_that_was_put(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.sampling.row_attention._BLOCK", 4)
    source = torch.Generator().manual_seed(0)
    parts = [torch.randn(2, 1, 3, length, 8, generator=source) for length in (5, 3, 1, 1, 1, 6, 1)]
    cache = RowCache()
    for count, (key, value) in enumerate(parts, 1):
        keys, values = cache.put(0, key, value)
        cache.length += key.shape[2]
        assert torch.equal(keys, torch.cat([part[0] for part in parts[:count]], 2))
        assert torch.equal(values, torch.cat([part[1] for part in parts[:count]], 2))
        assert cache.keys[0].shape[2] == cache.values[0].shape[2] < cache.length + 4


def test_filler_rows_change_no_bit_of_a_real_one(model: PreTrainedModel) -> None:
    ids = list(range(5, 15))
    filled, busy, other = RowCache(), RowCache(), RowCache()
    by_rows(model, [ids], [0], [filled])
    by_rows(model, [ids], [0], [busy])
    by_rows(model, [list(range(30, 50))], [0], [other])
    with_filler = by_rows(model, [[50], [0], [0]], [10, 0, 0], [filled])
    in_company = by_rows(model, [[50], [7], [0]], [10, 20, 0], [busy, other])
    assert torch.equal(with_filler[0], in_company[0])


def test_without_rows_the_interface_says_so() -> None:
    model = models()["llama"].eval()
    with attention(model, register()), pytest.raises(ModelError, match="does not hand the rows through"):
        model(input_ids=torch.tensor([[5, 6]]), use_cache=False)


def test_attention_is_put_back_also_after_an_exception() -> None:
    model = models()["llama"].eval()
    model.set_attn_implementation("eager")
    with pytest.raises(MemoryError), attention(model, register()):
        assert model.config._attn_implementation == register()
        raise MemoryError
    assert model.config._attn_implementation == "eager"
