"""Linear modules whose weights are kept in a few bits: bitsandbytes' (QLoRA, Dettmers 2023, 2305.14314), and others'.

bitsandbytes is an extra: its classes are known by where they come from, and it is imported only when one is there.
Called by linear_map.py and loading.py.
"""

from typing import Any

import torch
from torch import Tensor, nn

_FOUR_BIT, _EIGHT_BIT = "Linear4bit", "Linear8bitLt"
# modules of GPTQ and AWQ, by what their classes are called in the libraries that transformers takes them from
_OTHERS = ("QuantLinear", "WQLinear")
_DTYPE = "prefloop_dtype"
_INT8_STEPS = 127  # bitsandbytes: W = CB * SCB / 127, with SCB the largest of each row


def prepare(model: nn.Module, dtype: torch.dtype) -> None:
    """Note in a model that was just loaded what its quantised modules compute in.

    On CPUs with AVX-512 bf16, bitsandbytes would pack 4-bit weights anew at the first call, in a form that no backward
    pass reads: that is switched off.
    """
    for module in model.modules():
        if is_quantised(module):
            vars(module)[_DTYPE] = dtype
            if hasattr(module, "support_avx512bf16_for_cpu"):
                vars(module)["support_avx512bf16_for_cpu"] = False


def is_quantised(module: nn.Module) -> bool:
    """Whether a module is a linear one with quantised weights."""
    name = type(module).__name__
    ours = name in (_FOUR_BIT, _EIGHT_BIT) and type(module).__module__.startswith("bitsandbytes.")
    return ours or ((name.endswith(_OTHERS) or name.startswith(_OTHERS)) and hasattr(module, "in_features"))


def computing_dtype(module: nn.Module) -> torch.dtype:
    """What a quantised module computes in, as `prepare` noted it."""
    found: torch.dtype = getattr(module, _DTYPE, torch.get_default_dtype())
    return found


def dequantised(module: Any) -> Tensor | None:  # noqa: ANN401  # bitsandbytes comes without types
    """W [out, in] of one of bitsandbytes' modules; None for another library's."""
    name = type(module).__name__
    if name == _FOUR_BIT:
        from bitsandbytes.functional import dequantize_4bit  # noqa: PLC0415  # an extra

        four: Tensor = dequantize_4bit(module.weight.data, module.weight.quant_state)
        return four
    if name == _EIGHT_BIT:
        # before the first forward pass the scales are with the weight, after it with the state
        scales = module.weight.SCB if module.weight.SCB is not None else module.state.SCB
        eight: Tensor = module.weight.data * (scales[:, None] / _INT8_STEPS)
        return eight
    return None
