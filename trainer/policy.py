"""The policy that trains: the frozen base with one LoRA adapter, its reference, and its weights on disk.

The reference is the same model with the adapter switched off. Knows nothing of losses or pairs.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import PreTrainedModel

from trainer.base import Base


class Policy:
    """A base model with a fresh LoRA on every linear module but the head.

    A fresh adapter has B = 0, so the policy starts exactly at the reference (Hu 2021, 2106.09685, sec. 4.1).
    """

    def __init__(self, base: Base, *, rank: int, alpha: int, seed: int) -> None:
        torch.manual_seed(seed)
        config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, bias="none", target_modules="all-linear")
        self.base = base
        self._peft = get_peft_model(base.model, config)

    @property
    def model(self) -> PreTrainedModel:
        """The model to call; the adapter acts in it."""
        model: PreTrainedModel = self._peft.base_model.model  # type: ignore[assignment]  # peft types it as Module
        return model

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What trains: the A and B of every module."""
        return [p for p in self._peft.parameters() if p.requires_grad]

    @contextmanager
    def reference(self) -> Iterator[PreTrainedModel]:
        """The model with the adapter switched off."""
        with self._peft.disable_adapter():
            yield self.model

    def weights(self) -> dict[str, Tensor]:
        """The trained tensors by name, for a checkpoint."""
        return {name: p.detach().clone() for name, p in self._peft.named_parameters() if p.requires_grad}

    def restore(self, weights: dict[str, Tensor]) -> None:
        """Take back what `weights` gave. Raises KeyError or RuntimeError when they do not fit."""
        parameters = dict(self._peft.named_parameters())
        with torch.no_grad():
            for name, value in weights.items():
                parameters[name].copy_(value)

    def save(self, path: Path) -> None:
        """Write the adapter in PEFT's format; the directory appears whole or not at all."""
        config = self._peft.peft_config["default"]
        # a set's order, and with it the directory's hash, would differ from process to process
        config.target_modules = sorted(config.target_modules)  # type: ignore[attr-defined]  # it is a LoraConfig
        part = path.with_name(f".{path.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        self._peft.save_pretrained(str(part), save_embedding_layers=False)
        shutil.rmtree(path, ignore_errors=True)
        part.rename(path)

    def detach(self) -> Base:
        """Take the adapter out again and give the bare base back; the policy is of no more use."""
        model: PeftModel = self._peft
        model.unload()
        return self.base
