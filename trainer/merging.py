"""An adapter merged into its base: plain weights that any tool loads. Knows nothing of rounds or versions."""

from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel
from safetensors import SafetensorError

from data.errors import AdapterError
from trainer.base import load_base


def load_and_merge(adapter: Path, out: Path) -> None:
    """Write an adapter and the base it names as one model with its tokenizer to `out`, which appears whole.

    In float32 on the CPU: rounding the sum to bfloat16 would lose much of a small change. Raises AdapterError when the
    adapter does not fit, ModelError when its base cannot be loaded.
    """
    base = load_base(str(PeftConfig.from_pretrained(str(adapter)).base_model_name_or_path), device=torch.device("cpu"))
    part = out.with_name(f".{out.name}.part")
    try:
        merged: Any = PeftModel.from_pretrained(base.model, str(adapter)).merge_and_unload(safe_merge=True)
    except (ValueError, RuntimeError, SafetensorError) as error:
        raise AdapterError(f"adapter {adapter} cannot be merged: {error}") from error
    merged.save_pretrained(part)
    base.tokenizer.save_pretrained(part)
    part.rename(out)
