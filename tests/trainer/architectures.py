"""Tiny random models of the architectures that the trainer promises to train, made on the spot."""

from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    CohereConfig,
    Gemma2Config,
    Gemma3Config,
    Gemma3TextConfig,
    GemmaConfig,
    GraniteConfig,
    Lfm2Config,
    Llama4TextConfig,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    MixtralConfig,
    Phi3Config,
    PhiConfig,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
    StableLmConfig,
)

SHAPE: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
HEAD: dict[str, Any] = {"head_dim": 8}

LOCAL_AND_GLOBAL: dict[str, Any] = {"sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"]}
WHOLE_HEADS: dict[str, Any] = {"num_key_value_heads": 4}

PACKED: dict[str, PretrainedConfig] = {
    "llama": LlamaConfig(**SHAPE),
    "qwen2": Qwen2Config(**SHAPE),
    "qwen2 with a window": Qwen2Config(**SHAPE, **LOCAL_AND_GLOBAL, use_sliding_window=True),
    "qwen3": Qwen3Config(**SHAPE, **HEAD),
    "mistral": MistralConfig(**SHAPE, **HEAD, sliding_window=None),
    "mistral with a window": MistralConfig(**SHAPE, **HEAD, sliding_window=6),
    "mistral with a window of one": MistralConfig(**SHAPE, **HEAD, sliding_window=1),
    "gemma": GemmaConfig(**SHAPE, **HEAD),
    "gemma3 with a window": Gemma3TextConfig(**SHAPE, **HEAD, **LOCAL_AND_GLOBAL),
    "phi": PhiConfig(**SHAPE),
    "phi3": Phi3Config(**SHAPE),
    "phi3 with a window": Phi3Config(**SHAPE, sliding_window=6),
    "mixtral": MixtralConfig(**SHAPE, num_local_experts=4, num_experts_per_tok=2),
    "gemma2 without its soft caps": Gemma2Config(
        **SHAPE, **HEAD, **LOCAL_AND_GLOBAL, attn_logit_softcapping=None, final_logit_softcapping=None
    ),
}
PLAIN: dict[str, tuple[PretrainedConfig, str]] = {
    "gemma2": (Gemma2Config(**SHAPE, **HEAD), "soft cap or sinks"),
    "gemma2 with a soft cap on logits alone": (
        Gemma2Config(**SHAPE, **HEAD, attn_logit_softcapping=None),
        "head is more than a product",
    ),
    "cohere with scaled logits": (CohereConfig(**SHAPE, logit_scale=0.5), "head is more than a product"),
    "granite with scaled logits": (GraniteConfig(**SHAPE, logits_scaling=3.0), "head is more than a product"),
    "stablelm, which drops what it does not know": (StableLmConfig(**SHAPE), "does not hand the packing through"),
    "llama4 with chunks": (
        Llama4TextConfig(
            **SHAPE,
            **HEAD,
            intermediate_size_mlp=48,
            num_local_experts=2,
            interleave_moe_layer_step=2,
            attention_chunk_size=100,
            layer_types=["chunked_attention", "full_attention"],
        ),
        "local, and not by a sliding window",
    ),
    "lfm2, whose convolution mixes neighbours": (
        Lfm2Config(**SHAPE, layer_types=["conv", "full_attention"]),
        "changes what this model computes",
    ),
    "mamba": (
        MambaConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2, state_size=4),
        "changes what this model computes",
    ),
    "bloom, which has no places": (BloomConfig(vocab_size=64, hidden_size=32, n_layer=2, n_head=4), "changes what"),
}
PICTURES = Gemma3Config(
    text_config={**SHAPE, **HEAD, **LOCAL_AND_GLOBAL},
    vision_config={
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    },
)


def random_model(config: PretrainedConfig) -> PreTrainedModel:
    """A model with weights large enough that places and order matter."""
    torch.manual_seed(0)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    model.eval().requires_grad_(False)
    return model
