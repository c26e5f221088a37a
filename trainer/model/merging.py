"""Merge an adapter into its base: plain weights that any tool loads. Used by `prefloop adapter merge`."""

from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel
from pydantic import ValidationError
from safetensors import SafetensorError

from data.errors import AdapterError
from trainer.interface.model_settings import PromptFormat
from trainer.model.adapter_card import PROMPT_FORMAT
from trainer.model.base import Base, load_base


def load_and_merge(adapter: Path, out: Path) -> None:
    """Write an adapter merged into the base it names, with its tokenizer, as one model to `out`, atomically.

    In float32 on the CPU: rounding the sum to bfloat16 would lose much of a small change. The tokenizer gets the chat
    template that the version was trained with; system prompt and stop strings, which a tokenizer cannot hold, go into
    prompt_format.json. Raises AdapterError when the adapter does not fit, ModelError when its base cannot be loaded.
    """
    base = load_base(str(PeftConfig.from_pretrained(str(adapter)).base_model_name_or_path), device=torch.device("cpu"))
    format = _trained_in(adapter, base)
    part = out.with_name(f".{out.name}.part")
    try:
        merged: Any = PeftModel.from_pretrained(base.model, str(adapter)).merge_and_unload(safe_merge=True)
    except (ValueError, RuntimeError, SafetensorError) as error:
        raise AdapterError(f"adapter {adapter} cannot be merged: {error}") from error
    merged.save_pretrained(part)
    base.tokenizer.chat_template = format.template
    base.tokenizer.save_pretrained(part)
    (part / PROMPT_FORMAT).write_text(format.model_dump_json(indent=2) + "\n", encoding="utf-8")
    part.rename(out)


def _trained_in(adapter: Path, base: Base) -> PromptFormat:
    """Return the prompt format beside an adapter; the base's for versions made before it was stored there."""
    file = adapter / PROMPT_FORMAT
    if not file.exists():
        return base.format
    try:
        return PromptFormat.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise AdapterError(f"{file} is damaged: {error.errors()[0]['msg']}; fetch the adapter again") from error
