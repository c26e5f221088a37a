"""Read, check and write a LoRA adapter directory in PEFT's format.

Only safetensors are read; a pickle is never opened. Anything that makes an adapter unusable or different from what it
claims (a damaged file, NaN, another model's shapes, a variant beyond plain LoRA) is rejected here with the reason.
"""

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftConfig
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from data.errors import AdapterError
from trainer.interface.adapter_files import CONFIG, WEIGHTS
from trainer.model.linear_map import LinearMap, Turned, linear_map, linear_maps

_PREFIX = "base_model.model."
_BEYOND_PLAIN_LORA = (
    "use_dora",
    "modules_to_save",
    "alpha_pattern",
    "lora_bias",
    "trainable_token_indices",
    "alora_invocation_tokens",  # acts only after certain tokens
)


@dataclass(frozen=True, slots=True)
class LoraWeights:
    """LoRA of one module: down (A) [rank, in], up (B) [out, rank], scaling alpha/rank."""

    down: Tensor
    up: Tensor
    scaling: float

    @property
    def rank(self) -> int:
        """The inner dimension."""
        return self.down.shape[0]


@dataclass(frozen=True, slots=True)
class Adapter:
    """LoRA weights by the name of the module they apply to."""

    layers: dict[str, LoraWeights]

    @property
    def rank(self) -> int:
        """The largest rank of any module."""
        return max(lora.rank for lora in self.layers.values())


def read_adapter(path: Path, model: nn.Module, *, max_rank: int) -> Adapter:
    """Read an adapter and check it against a model.

    Raises AdapterError naming the adapter and the reason: unreadable, not plain LoRA, a rank above
    max_rank, a module or shape the model does not have, or a weight that is not finite.
    """
    config = _read_config(path)
    try:
        tensors = load_file(path / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise AdapterError(f"adapter {path}: {WEIGHTS} cannot be read ({error})") from error
    linears = linear_maps(model)
    layers = {name: _read_layer(path, name, tensors, config, linears) for name in sorted(_module_names(path, tensors))}
    adapter = Adapter(layers)
    if adapter.rank > max_rank:
        raise AdapterError(
            f"adapter {path}: rank {adapter.rank} is above the served maximum {max_rank}; raise max_rank at the top of "
            "prefloop.toml"
        )
    return adapter


def write_adapter(
    path: Path, adapter: Adapter, model: nn.Module, *, base_name: str, texts: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Write a model's adapter, with extra text files by name; the directory appears complete or not at all."""
    adapter = _uniform(adapter)
    scaling = next(iter(adapter.layers.values())).scaling
    alpha = adapter.rank * scaling
    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=int(alpha) if alpha == int(alpha) else alpha,  # type: ignore[arg-type]  # peft takes a float too
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
        base_model_name_or_path=base_name,
        inference_mode=True,
        fan_in_fan_out=any(isinstance(linear_map(model.get_submodule(name)), Turned) for name in adapter.layers),
    )
    # set after the constructor, which turns it into a set: the order, and with it the hash, would vary by process
    config.target_modules = _targets(adapter, model)
    tensors = {
        f"{_PREFIX}{name}.lora_{part}.weight": tensor.detach().float().cpu().contiguous()
        for name, weights in adapter.layers.items()
        for part, tensor in (("A", weights.down), ("B", weights.up))
    }
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    config.save_pretrained(str(part))
    save_file(tensors, part / WEIGHTS, metadata={"format": "pt"})
    for name, text in texts.items():
        (part / name).write_text(text, encoding="utf-8")
    shutil.rmtree(path, ignore_errors=True)
    part.rename(path)


def _uniform(adapter: Adapter) -> Adapter:
    """Pad all modules to one rank and scaling, since the config has only one of each; the function is unchanged."""
    if len({(weights.rank, weights.scaling) for weights in adapter.layers.values()}) == 1:
        return adapter
    layers = {}
    for name, weights in adapter.layers.items():
        missing = adapter.rank - weights.rank
        down, up = F.pad(weights.down, (0, 0, 0, missing)), F.pad(weights.up.float() * weights.scaling, (0, missing))
        layers[name] = LoraWeights(down, up, 1.0)
    return Adapter(layers)


def _targets(adapter: Adapter, model: nn.Module) -> list[str]:
    """Return the target module names: the last parts, as usual, if they match no other module, else full names."""
    short = {name.rpartition(".")[2] for name in adapter.layers}
    meant = {name for name, _ in model.named_modules() if name.rpartition(".")[2] in short}
    return sorted(short if meant == adapter.layers.keys() else adapter.layers)


def _read_config(path: Path) -> LoraConfig:
    if not (path / CONFIG).is_file():  # peft would look for a hub repository of that name
        raise AdapterError(f"adapter {path}: {CONFIG} is missing")
    try:
        config = PeftConfig.from_pretrained(str(path))
    except Exception as error:  # peft raises ValueError, TypeError, KeyError or json errors for a bad file
        raise AdapterError(f"adapter {path}: {CONFIG} cannot be read ({error})") from error
    if not isinstance(config, LoraConfig):
        raise AdapterError(f"adapter {path}: type {config.peft_type} is not LoRA")
    extra = [name for name in _BEYOND_PLAIN_LORA if getattr(config, name, None)]
    if extra or config.bias != "none":
        raise AdapterError(f"adapter {path}: only plain LoRA is served, this one has {', '.join(extra) or 'bias'}")
    return config


def _module_names(path: Path, tensors: dict[str, Tensor]) -> set[str]:
    names = set()
    for key in tensors:
        module, _, rest = key.removeprefix(_PREFIX).rpartition(".lora_")
        if not key.startswith(_PREFIX) or rest not in ("A.weight", "B.weight"):
            raise AdapterError(f"adapter {path}: unknown weight {key}")
        names.add(module)
    if not names:
        raise AdapterError(f"adapter {path}: {WEIGHTS} is empty")
    return names


def _read_layer(
    path: Path, name: str, tensors: dict[str, Tensor], config: LoraConfig, linears: dict[str, LinearMap]
) -> LoraWeights:
    try:
        down, up = (tensors[f"{_PREFIX}{name}.lora_{part}.weight"] for part in "AB")
    except KeyError as error:
        raise AdapterError(f"adapter {path}: weight {error} is missing") from error
    linear = linears.get(name)
    if linear is None:
        raise AdapterError(f"adapter {path}: the model has no linear module {name}")
    rank = down.shape[0]
    if down.shape != (rank, linear.in_features) or up.shape != (linear.out_features, rank):
        raise AdapterError(
            f"adapter {path}: {name} is made for another shape than {(linear.out_features, linear.in_features)}"
        )
    if not (torch.isfinite(down).all() and torch.isfinite(up).all()):
        raise AdapterError(f"adapter {path}: {name} holds weights that are not finite")
    scaling = config.lora_alpha / (math.sqrt(rank) if config.use_rslora else rank)
    return LoraWeights(down.to(linear.device, linear.dtype), up.to(linear.device, linear.dtype), scaling)
