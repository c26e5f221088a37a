"""Linear modules with quantised weights: those of bitsandbytes (QLoRA, Dettmers 2023, 2305.14314) and others.

bitsandbytes is an optional dependency: its classes are recognised by module name, and it is imported only when one is
present. Used by trainer/model/linear_map.py and weights.py.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_FOUR_BIT, _EIGHT_BIT = "Linear4bit", "Linear8bitLt"
# class names of GPTQ and AWQ modules in the libraries that transformers uses
_OTHERS = ("QuantLinear", "WQLinear")
_DTYPE = "prefloop_dtype"
_INT8_STEPS = 127  # bitsandbytes: W = CB * SCB / 127, where SCB is the absolute maximum of each row


def prepare(model: nn.Module, dtype: torch.dtype) -> None:
    """Record in a newly loaded model which dtype its quantised modules compute in.

    8-bit weights are made to multiply in full precision (`_weight_only`). On CPUs with AVX-512 bf16, bitsandbytes would
    repack 4-bit weights at the first call into a form that the backward pass cannot read: that is switched off.
    """
    for module in model.modules():
        if is_quantised(module):
            vars(module)[_DTYPE] = dtype
            if _kind(module) == _EIGHT_BIT:
                module.__class__ = _weight_only(type(module))
            if hasattr(module, "support_avx512bf16_for_cpu"):
                vars(module)["support_avx512bf16_for_cpu"] = False


def is_quantised(module: nn.Module) -> bool:
    """Return whether a module is linear with quantised weights."""
    name = type(module).__name__
    other = name.endswith(_OTHERS) or name.startswith(_OTHERS)
    return _kind(module) is not None or (other and hasattr(module, "in_features"))


def _kind(module: nn.Module) -> str | None:
    """Return which of bitsandbytes' classes a module belongs to."""
    names = {one.__name__ for one in type(module).__mro__ if one.__module__.startswith("bitsandbytes.")}
    return next((name for name in (_FOUR_BIT, _EIGHT_BIT) if name in names), None)


def _weight_only(eight_bit: type[nn.Module]) -> type[nn.Module]:
    """Return the class with W x computed in full precision from the 8-bit W.

    LLM.int8() rounds x too, except outliers, which it chooses over the whole batch: the same row in another batch has
    other logits (SmolLM2: 9 % of the largest), so neither sampling nor packing could be verified.
    """

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        weight = dequantised(self)
        assert weight is not None
        bias: Any = self.bias
        return F.linear(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype))

    return type(eight_bit.__name__, (eight_bit,), {"forward": forward})


def computing_dtype(module: nn.Module) -> torch.dtype:
    """Return the dtype a quantised module computes in, as recorded by `prepare`."""
    found: torch.dtype = getattr(module, _DTYPE, torch.get_default_dtype())
    return found


def dequantised(module: Any) -> Tensor | None:  # noqa: ANN401  # bitsandbytes has no types
    """Return W [out, in] of one of bitsandbytes' modules; None for another library's."""
    kind = _kind(module)
    if kind == _FOUR_BIT:
        from bitsandbytes.functional import dequantize_4bit  # noqa: PLC0415  # an optional dependency

        four: Tensor = dequantize_4bit(module.weight.data, module.weight.quant_state)
        return four
    if kind == _EIGHT_BIT:
        # the scales are with the weight before the first forward pass, and with the state after it
        scales = module.weight.SCB if module.weight.SCB is not None else module.state.SCB
        eight: Tensor = module.weight.data * (scales[:, None] / _INT8_STEPS)
        return eight
    return None
