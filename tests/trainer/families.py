"""A tiny random model of every family that the matrix in docs/models.md names, with a tokenizer, as a directory."""

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig

VOCABULARY = 300
_ENDS: dict[str, Any] = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_SHAPE: dict[str, Any] = {
    **_ENDS,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
_HEAD: dict[str, Any] = {"head_dim": 8}
_LOCAL_AND_GLOBAL: dict[str, Any] = {"sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"]}
_EXPERTS: dict[str, Any] = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
_LATENT: dict[str, Any] = {
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 12,
    "num_key_value_heads": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "moe_intermediate_size": 16,
    "first_k_dense_replace": 1,
}
_GPT: dict[str, Any] = {**_ENDS, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
_ALIBI: dict[str, Any] = {**_ENDS, "hidden_size": 32, "n_layer": 2, "n_head": 4}
_STATE: dict[str, Any] = {**_ENDS, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}

# by the name that people know a family by: what config.json calls it, and what it takes to make one small
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama": ("llama", _SHAPE),
    "Qwen2": ("qwen2", _SHAPE),
    "Qwen3": ("qwen3", _SHAPE | _HEAD),
    "Mistral": ("mistral", _SHAPE | {"sliding_window": 6}),
    "SmolLM3": ("smollm3", _SHAPE | {"no_rope_layer_interval": 2}),
    "Phi": ("phi", _SHAPE),
    "Phi-3": ("phi3", _SHAPE),
    "Gemma": ("gemma", _SHAPE | _HEAD),
    "Gemma 2": ("gemma2", _SHAPE | _HEAD | _LOCAL_AND_GLOBAL),
    "Gemma 3": ("gemma3_text", _SHAPE | _HEAD | _LOCAL_AND_GLOBAL),
    "Gemma 3n": (
        "gemma3n_text",
        _SHAPE
        | _HEAD
        | _LOCAL_AND_GLOBAL
        | {
            "vocab_size_per_layer_input": VOCABULARY,
            "hidden_size_per_layer_input": 8,
            "num_kv_shared_layers": 0,
            "laurel_rank": 4,
            "activation_sparsity_pattern": [0.0, 0.0],
            "altup_num_inputs": 2,
        },
    ),
    "GPT-2": ("gpt2", _GPT),
    "GPT-Neo": (
        "gpt_neo",
        _ENDS
        | {
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 6,
            "max_position_embeddings": 256,
        },
    ),
    "GPT-J": ("gptj", _GPT | {"rotary_dim": 4}),
    "GPT-NeoX": ("gpt_neox", _SHAPE),
    "GPT-BigCode": ("gpt_bigcode", _GPT),
    "CodeGen": ("codegen", _GPT | {"rotary_dim": 4, "n_ctx": 256}),
    "OPT": ("opt", _SHAPE | {"ffn_dim": 48, "word_embed_proj_dim": 32}),
    "BioGPT": ("biogpt", _SHAPE),
    "XGLM": (
        "xglm",
        _ENDS | {"d_model": 32, "ffn_dim": 48, "num_layers": 2, "attention_heads": 4, "max_position_embeddings": 256},
    ),
    "Bloom": ("bloom", _ALIBI),
    "MPT": ("mpt", _ENDS | {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 256}),
    "Falcon with rotary": ("falcon", _SHAPE | {"alibi": False, "new_decoder_architecture": False}),
    "Falcon with ALiBi": (
        "falcon",
        _SHAPE | {"alibi": True, "new_decoder_architecture": False, "multi_query": False, "bias": True},
    ),
    "OLMo 2": ("olmo2", _SHAPE),
    "OLMoE": ("olmoe", _SHAPE | _EXPERTS),
    "Granite": ("granite", _SHAPE | {"logits_scaling": 3.0, "attention_multiplier": 0.3}),
    "Cohere": ("cohere", _SHAPE | {"logit_scale": 0.5}),
    "Cohere 2": ("cohere2", _SHAPE | _LOCAL_AND_GLOBAL),
    "StableLM": ("stablelm", _SHAPE),
    "StarCoder2": ("starcoder2", _SHAPE),
    "Nemotron": ("nemotron", _SHAPE),
    "GLM-4": ("glm4", _SHAPE | _HEAD),
    "Mixtral": ("mixtral", _SHAPE | {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "Qwen3-MoE": ("qwen3_moe", _SHAPE | _HEAD | _EXPERTS),
    "gpt-oss": (
        "gpt_oss",
        _SHAPE | _HEAD | _LOCAL_AND_GLOBAL | {"num_local_experts": 4, "num_experts_per_tok": 2},
    ),
    "Llama 4": (
        "llama4_text",
        _SHAPE
        | _HEAD
        | {
            "intermediate_size_mlp": 48,
            "num_local_experts": 2,
            "interleave_moe_layer_step": 2,
            "attention_chunk_size": 100,
            "layer_types": ["chunked_attention", "full_attention"],
        },
    ),
    "DeepSeek-V2": ("deepseek_v2", _SHAPE | _LATENT),
    "DeepSeek-V3": ("deepseek_v3", _SHAPE | _LATENT),
    "LFM2": ("lfm2", _SHAPE | {"layer_types": ["conv", "full_attention"]}),
    "Qwen3-Next": (
        "qwen3_next",
        _SHAPE
        | _HEAD
        | _EXPERTS
        | {
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_value_heads": 4,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "shared_expert_intermediate_size": 16,
        },
    ),
    "Mamba": ("mamba", _STATE),
    "Mamba 2": ("mamba2", _STATE | {"num_heads": 8, "head_dim": 8, "n_groups": 1}),
    "Falcon Mamba": ("falcon_mamba", _STATE),
    "Jamba": (
        "jamba",
        _SHAPE
        | {
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "num_experts": 2,
            "use_mamba_kernels": False,
            "mamba_d_state": 4,
        },
    ),
    "RWKV": ("rwkv", _ENDS | {"hidden_size": 32, "num_hidden_layers": 2, "context_length": 256}),
}
REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "RecurrentGemma": (
        "recurrent_gemma",
        _SHAPE
        | {
            "lru_width": 32,
            "attention_window_size": 64,
            "block_types": ["recurrent", "attention"],
            "num_hidden_layers": 2,
        },
    ),
}


def config_of(name: str) -> PretrainedConfig:
    """The config of a family's tiny model."""
    kind, settings = (FAMILIES | REFUSED)[name]
    return AutoConfig.for_model(kind, **settings)


def save_family(name: str, tokenizer: Path, out: Path) -> Path:
    """Write a family's tiny model to a directory, beside the tokenizer of another."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config_of(name))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)  # large enough that places and order matter
    model.save_pretrained(out)
    for file in tokenizer.glob("*token*"):
        shutil.copy(file, out)
    for file in tokenizer.glob("chat_template*"):
        shutil.copy(file, out)
    return out
