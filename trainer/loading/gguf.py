"""Unpack GGUF files (llama.cpp's format) into directories that transformers loads directly.

Unpacking 135 M parameters takes half a minute, nearly all of it for the tokenizer's merges; loading the directory takes
half a second. So it is done once, into the cache (cache.py).
"""

import sys
from importlib.util import find_spec
from math import prod
from pathlib import Path
from shutil import disk_usage
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
from transformers.utils.logging import disable_progress_bar

from data.errors import ModelError
from data.support.digests import file_sha256
from trainer.loading.cache import CacheSource, cache_folder, cached, is_there

SUFFIX = ".gguf"
_BYTES = 4  # per float32
_MARGIN = 50 << 20  # for tokenizer and config
_DIGITS = 16


def unpacked(file: Path) -> Path:
    """Return the cache directory of a GGUF file, unpacking the file if needed.

    Raises ModelError naming the file, the reason and what to do.
    """
    digest = file_sha256(file)
    folder = f"{file.stem}-{digest[:_DIGITS]}"
    if not is_there(cache_folder() / folder):
        sys.stderr.write(f"Unpacking {file.name} once, to {cache_folder() / folder} ...\n")
    return cached(folder, lambda part: unpack_gguf(file, part, digest=digest))


def unpack_gguf(file: Path, out: Path, *, digest: str | None = None) -> CacheSource:
    """Write a GGUF file's model as float32 safetensors, with its tokenizer, to a directory; returns its source.

    float32 holds every value exactly: a block's float16 scale times a small integer. Progress goes to stderr. Raises
    ModelError when the file is damaged, of a kind that transformers does not read, or too large for the disk.
    """
    license_ = _check(file, out)
    where: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    try:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **where)
        model = AutoModelForCausalLM.from_pretrained(
            file.parent, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True), **where
        )
    except Exception as error:  # transformers raises a dozen types for a file that it cannot read
        raise ModelError(f"{file} cannot be unpacked: {' '.join(str(error).split())}") from error
    _plain(model).save_pretrained(out)
    tokenizer.save_pretrained(out)
    return CacheSource(file=file.name, sha256=digest or file_sha256(file), license=license_)


def _check(file: Path, out: Path) -> str | None:
    """Check that the file can be unpacked; returns the licence it names."""
    if find_spec("gguf") is None:
        raise ModelError(f"{file} needs the package gguf to be read: pip install 'prefloop[gguf]'")
    from gguf import GGUFReader  # noqa: PLC0415  # an optional dependency

    try:
        reader = GGUFReader(file)
    except Exception as error:  # numpy and struct raise various errors for a damaged file
        raise ModelError(f"{file} is not a complete GGUF file: {error}; fetch it again") from error
    parts = reader.get_field("split.count")
    if parts is not None and parts.contents() > 1:
        raise ModelError(f"{file} is one of {parts.contents()} parts: join them with `llama-gguf-split --merge`")
    needed = sum(prod(map(int, tensor.shape)) for tensor in reader.tensors) * _BYTES + _MARGIN
    free = disk_usage(out if out.exists() else out.parent).free
    if needed > free:
        raise ModelError(
            f"{file} takes {needed / 1e9:.1f} GB unpacked, and {out.parent} has {free / 1e9:.1f} GB left; "
            "name another folder with PREFLOOP_CACHE"
        )
    named = reader.get_field("general.license")
    return None if named is None else str(named.contents())


def _plain(model: Any) -> Any:  # noqa: ANN401  # any decoder class
    """Move the weights to a model without GGUF settings, since transformers refuses to save the original."""
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]  # as above
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.tie_weights()
    if model.generation_config:
        plain.generation_config = model.generation_config
    return plain


def is_gguf(path: Path) -> bool:
    """Return whether a path is a GGUF file, by its name."""
    return path.suffix.lower() == SUFFIX and path.is_file()
