"""A tiny random Llama as a GGUF file, as llama.cpp's converter would write it, and a wheel around it."""

import zipfile
from pathlib import Path

import gguf
import numpy as np

VOCABULARY = ["<pad>", "<s>", "</s>", *(chr(code) for code in range(33, 127)), "Ġ", "Ċ", "ab"]
HIDDEN, HEADS, LAYERS, INNER = 64, 4, 2, 96
TEMPLATE = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"


def write_gguf(file: Path, *, license_: str | None = "mit", architecture: str = "llama") -> Path:
    """Random weights, those of the layers as Q8_0."""
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_name("tiny")
    if license_ is not None:
        writer.add_license(license_)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(VOCABULARY))
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(VOCABULARY)
    writer.add_token_types([3, 3, 3, *([1] * (len(VOCABULARY) - 3))])
    writer.add_token_merges(["a b"])  # at least one, of what follows
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_chat_template(TEMPLATE)
    source = np.random.default_rng(0)

    def add(name: str, *shape: int) -> None:
        values = source.normal(0, 0.1, shape).astype(np.float32)
        if len(shape) == 2 and name.startswith("blk."):
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)

    add("token_embd.weight", len(VOCABULARY), HIDDEN)
    add("output.weight", len(VOCABULARY), HIDDEN)
    add("output_norm.weight", HIDDEN)
    for layer in range(LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            add(f"blk.{layer}.{norm}.weight", HIDDEN)
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{part}.weight", HIDDEN, HIDDEN)
        add(f"blk.{layer}.ffn_gate.weight", INNER, HIDDEN)
        add(f"blk.{layer}.ffn_up.weight", INNER, HIDDEN)
        add(f"blk.{layer}.ffn_down.weight", HIDDEN, INNER)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def write_wheel(folder: Path, gguf_file: Path, *, package: str = "tiny-model", version: str = "1.0") -> Path:
    """A wheel with the file in it, as pip takes it."""
    name = package.replace("-", "_")
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(gguf_file, f"{name}/{gguf_file.name}")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/LICENSE", "All of it, to everybody.\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel
