"""The linear layers LoRA can be applied to: a frozen y = W x + b inside a model, however its module stores W.

Training (lora.py), sampling (trainer/sampling/row_linear.py) and adapter files (adapter.py) access modules through
this; a new kind of module, for example a quantised one, is a new class here. Fused experts (one 3-D weight) are not
modules and get no LoRA.
"""

from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import torch
import torch.nn.functional as F
from peft import LoraConfig
from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from trainer.loading.quantised import computing_dtype, dequantised, is_quantised

# names of the modules that route tokens to experts: a change there would switch experts abruptly
_ROUTERS = ("gate", "router", "shared_expert_gate", "modality_router")
# modules whose weights Mamba's fused kernels read without calling the module; PEFT refuses the first
_READ_BY_KERNELS = ("out_proj", "dt_proj")


class LinearMap(Protocol):
    """A frozen linear module. dense: whether W is stored as is, so that `weight` costs nothing."""

    @property
    def in_features(self) -> int: ...  # noqa: D102

    @property
    def out_features(self) -> int: ...  # noqa: D102

    @property
    def dense(self) -> bool: ...  # noqa: D102

    @property
    def dtype(self) -> torch.dtype:
        """The dtype it computes in."""
        ...

    @property
    def device(self) -> torch.device: ...  # noqa: D102

    @property
    def bias(self) -> Tensor | None:
        """The bias b [out]."""
        ...

    def weight(self) -> Tensor:
        """Return W [out, in] in `dtype`."""
        ...

    def product(self, x: Tensor) -> Tensor:
        """Return W x + b for x [..., in], even while the module's own forward is replaced."""
        ...


@dataclass(frozen=True, slots=True)
class Dense:
    """nn.Linear, or a subclass that computes the same."""

    module: nn.Linear
    dense = True

    @property
    def in_features(self) -> int:
        """See LinearMap."""
        return self.module.in_features

    @property
    def out_features(self) -> int:
        """See LinearMap."""
        return self.module.out_features

    @property
    def dtype(self) -> torch.dtype:
        """See LinearMap."""
        return self.module.weight.dtype

    @property
    def device(self) -> torch.device:
        """See LinearMap."""
        return self.module.weight.device

    @property
    def bias(self) -> Tensor | None:
        """See LinearMap."""
        return self.module.bias

    def weight(self) -> Tensor:
        """See LinearMap."""
        return self.module.weight

    def product(self, x: Tensor) -> Tensor:
        """See LinearMap."""
        return F.linear(x, self.module.weight, self.module.bias)


@dataclass(frozen=True, slots=True)
class Turned:
    """transformers' Conv1D, used by GPT-2: W is stored as [in, out]."""

    module: Conv1D
    dense = True

    @property
    def in_features(self) -> int:
        """See LinearMap."""
        return int(self.module.weight.shape[0])

    @property
    def out_features(self) -> int:
        """See LinearMap."""
        return int(self.module.weight.shape[1])

    @property
    def dtype(self) -> torch.dtype:
        """See LinearMap."""
        return self.module.weight.dtype

    @property
    def device(self) -> torch.device:
        """See LinearMap."""
        return self.module.weight.device

    @property
    def bias(self) -> Tensor | None:
        """See LinearMap."""
        return self.module.bias

    def weight(self) -> Tensor:
        """See LinearMap."""
        return self.module.weight.t()

    def product(self, x: Tensor) -> Tensor:
        """See LinearMap."""
        return F.linear(x, self.module.weight.t(), self.module.bias)


@dataclass(frozen=True, slots=True)
class Quantised:
    """A module that stores W in a few bits and multiplies with its own kernel (bitsandbytes or another library)."""

    module: nn.Module
    dtype: torch.dtype
    dense = False

    @property
    def in_features(self) -> int:
        """See LinearMap."""
        return int(self.module.in_features)  # type: ignore[arg-type]

    @property
    def out_features(self) -> int:
        """See LinearMap."""
        return int(self.module.out_features)  # type: ignore[arg-type]

    @property
    def device(self) -> torch.device:
        """See LinearMap."""
        return next(chain(self.module.parameters(False), self.module.buffers(False))).device

    @property
    def bias(self) -> Tensor | None:
        """See LinearMap."""
        return getattr(self.module, "bias", None)

    def weight(self) -> Tensor:
        """See LinearMap. Where W cannot be read, it is computed as the kernel's output for unit vectors."""
        found = dequantised(self.module)
        if found is not None:
            return found.to(self.dtype)
        with torch.no_grad():
            answers = self.product(torch.eye(self.in_features, device=self.device, dtype=self.dtype))
        return (answers if self.bias is None else answers - self.bias).t()

    def product(self, x: Tensor) -> Tensor:
        """See LinearMap."""
        out: Tensor = type(self.module).forward(self.module, x)
        return out


def linear_map(module: nn.Module) -> LinearMap | None:
    """Wrap the module as a linear map; None if it is not one, or does more than that."""
    if is_quantised(module):
        return Quantised(module, computing_dtype(module))
    if type(module) is nn.Linear or (isinstance(module, nn.Linear) and _does_the_same(module)):
        return Dense(module)
    if type(module) is Conv1D:
        return Turned(module)
    return None


def linear_maps(model: nn.Module) -> dict[str, LinearMap]:
    """Return all linear maps of a model by name, including head and routers."""
    found = ((name, linear_map(module)) for name, module in model.named_modules())
    return {name: one for name, one in found if one is not None}


def lora_targets(model: PreTrainedModel) -> dict[str, LinearMap]:
    """Return the linear maps that new adapters apply to: all of the decoder but head, routers and kernel-read ones.

    Where experts are fused, shared experts and dense layers may have names that PEFT takes for those of the fused ones:
    they are left out too, since PEFT could not load them.
    """
    decoder = {*model.get_decoder().modules()} - {model.get_output_embeddings()}  # type: ignore[no-untyped-call]
    modules = dict(model.named_modules())

    def carries(name: str) -> bool:
        parent, _, last = name.rpartition(".")
        mamba = hasattr(modules[parent], "A_log") and hasattr(modules[parent], "D")
        return modules[name] in decoder and last not in _ROUTERS and not (mamba and last in _READ_BY_KERNELS)

    found = {name: one for name, one in linear_maps(model).items() if carries(name)}
    fused = {last for last in {name.rpartition(".")[2] for name in found} if _means_fused_experts(last, model)}
    return {name: one for name, one in found.items() if name.rpartition(".")[2] not in fused}


def _means_fused_experts(name: str, model: PreTrainedModel) -> bool:
    """Return whether PEFT would apply LoRA to this model's fused experts instead of to the modules of this name."""
    config = LoraConfig(target_modules=[name])
    try:
        convert_peft_config_for_transformers(config, model, None)
    except ValueError:  # one of two modules that are fused into one
        return True
    return name not in (config.target_modules or ())


def _does_the_same(module: nn.Linear) -> bool:
    """Return whether a subclass is a plain matrix product (Falcon's is, Llama 4's router is not)."""
    if module.weight.shape != (module.out_features, module.in_features) or not module.weight.is_floating_point():
        return False
    x = torch.linspace(-1, 1, module.in_features, device=module.weight.device, dtype=module.weight.dtype)[None]
    try:
        with torch.no_grad():
            found = type(module).forward(module, x)
        expected = F.linear(x, module.weight, module.bias)
        return isinstance(found, Tensor) and torch.allclose(found, expected, rtol=1e-2, atol=1e-3)
    except Exception:  # whatever such a class does with this input, it is not what nn.Linear does
        return False
