"""Tiny random models of the architectures that the trainer promises to train, made on the spot."""

import torch
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    PhiConfig,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

SHAPE = {
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
HEAD = {"head_dim": 8}

PACKED: dict[str, PretrainedConfig] = {
    "llama": LlamaConfig(**SHAPE),
    "qwen2": Qwen2Config(**SHAPE),
    "qwen3": Qwen3Config(**SHAPE, **HEAD),
    "mistral with a window": MistralConfig(**SHAPE, **HEAD, sliding_window=6),
    "gemma": GemmaConfig(**SHAPE, **HEAD),
    "gemma3 with a window": Gemma3TextConfig(
        **SHAPE, **HEAD, sliding_window=6, layer_types=["sliding_attention", "full_attention"]
    ),
    "phi": PhiConfig(**SHAPE),
    "phi3": Phi3Config(**SHAPE),
}
PLAIN: dict[str, PretrainedConfig] = {
    "gemma2 with soft caps": Gemma2Config(**SHAPE, **HEAD),
    "cohere with scaled logits": CohereConfig(**SHAPE, logit_scale=0.5),
}


def random_model(config: PretrainedConfig) -> PreTrainedModel:
    """A model with weights large enough that places and order matter."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    return model.eval().requires_grad_(False)
