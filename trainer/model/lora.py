"""Trainable LoRA (Hu 2021, 2106.09685): y = W x + s B (A x) on the linear maps of a frozen base.

Any number of adapters (policy, reference, reward model) share one base in memory; they are active only within
`LoraStack.acting`. Nothing is merged or wrapped: between two passes the model is unchanged, and a sampler can use it.
Files are in PEFT's format (adapter.py).
"""

import math
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from data.errors import ModelError
from trainer.model.adapter import Adapter, LoraWeights
from trainer.model.linear_map import LinearMap, linear_maps, lora_targets


class Lora:
    """One adapter's trainable tensors by module name: down (A) [rank, in], up (B) [out, rank], in float32."""

    def __init__(self, adapter: Adapter) -> None:
        self._scaling = {name: weights.scaling for name, weights in adapter.layers.items()}
        self._tensors = {
            f"{name}.{part}": nn.Parameter(tensor.detach().float().clone())
            for name, weights in adapter.layers.items()
            for part, tensor in (("down", weights.down), ("up", weights.up))
        }

    @classmethod
    def fresh(cls, model: PreTrainedModel, *, rank: int, alpha: float, seed: int) -> "Lora":
        """Create an adapter without effect yet, on every linear map of `lora_targets`.

        A is initialised like PEFT's, uniform in ±1/sqrt(in) (Kaiming with a = sqrt 5); B = 0 (sec. 4.1). Raises
        ModelError for a decoder without linear modules.
        """
        source = torch.Generator().manual_seed(seed)
        layers = {}
        for name, linear in lora_targets(model).items():
            down = torch.empty(rank, linear.in_features)
            nn.init.kaiming_uniform_(down, a=math.sqrt(5), generator=source)
            where = linear.device
            layers[name] = LoraWeights(
                down.to(where), torch.zeros(linear.out_features, rank, device=where), alpha / rank
            )
        if not layers:
            raise ModelError("this model has no linear modules that LoRA could change")
        return cls(Adapter(layers))

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """The trainable tensors by name, always in the same order."""
        return self._tensors

    def freeze(self) -> "Lora":
        """Stop computing gradients for it."""
        for tensor in self._tensors.values():
            tensor.requires_grad_(False)
        return self

    def adapter(self) -> Adapter:
        """Return a copy of the current weights, for a sampler or a file."""
        return Adapter({name: LoraWeights(*self._copy(name), scaling) for name, scaling in self._scaling.items()})

    def _copy(self, name: str) -> tuple[Tensor, Tensor]:
        down, up = (self._tensors[f"{name}.{part}"].detach().clone() for part in ("down", "up"))
        return down, up

    @property
    def names(self) -> Set[str]:
        """Names of the modules it applies to."""
        return self._scaling.keys()

    def weights(self, name: str) -> tuple[Tensor, Tensor, float]:
        """Return down, up and scaling of one module, the tensors being trained."""
        return self._tensors[f"{name}.down"], self._tensors[f"{name}.up"], self._scaling[name]


class LoraStack:
    """The adapters active in one model, applied together. Not thread-safe."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.now: tuple[Lora, ...] = ()
        self._modules: dict[str, nn.Module] = dict(model.named_modules())
        self._linears = linear_maps(model)

    @contextmanager
    def acting(self, *loras: Lora) -> Iterator[None]:
        """Activate these adapters, and no others, within the block; a backward pass may come later.

        Raises ModelError for a module that is not linear.
        """
        if strange := set().union(*(lora.names for lora in loras)) - self._linears.keys():
            raise ModelError(f"LoRA acts on plain linear modules only, not on {min(strange)}")
        before = self.now
        self._put(loras)
        try:
            yield
        finally:
            self._put(before)

    def _put(self, loras: tuple[Lora, ...]) -> None:
        """Set an instance-level forward on every linear module that an active adapter changes; reset the others."""
        for name, linear in self._linears.items():
            acting = [lora.weights(name) for lora in loras if name in lora.names]
            if acting:
                vars(self._modules[name])["forward"] = _forward(linear, acting)
            else:
                vars(self._modules[name]).pop("forward", None)
        self.now = loras


def _forward(linear: LinearMap, acting: list[tuple[Tensor, Tensor, float]]) -> Callable[[Tensor], Tensor]:
    scalings = tuple(scaling for _, _, scaling in acting)
    tensors = [tensor for down, up, _ in acting for tensor in (down, up)]

    def forward(x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        out: Tensor = _LoraLinear.apply(flat, linear, scalings, *tensors)  # type: ignore[no-untyped-call]
        return out.view(*x.shape[:-1], -1)

    return forward


def stacked(below: Adapter, above: Adapter) -> Adapter:
    """Combine two adapters into one that equals applying both: ranks add up, scaling is 1, nothing is rounded."""
    layers = {}
    for name in below.layers.keys() | above.layers.keys():
        found = [adapter.layers[name] for adapter in (below, above) if name in adapter.layers]
        down = torch.cat([weights.down.float() for weights in found])
        up = torch.cat([weights.up.float() * weights.scaling for weights in found], 1)
        layers[name] = LoraWeights(down, up, 1.0)
    return Adapter(dict(sorted(layers.items())))


class _LoraLinear(torch.autograd.Function):
    """W x + b + sum of s B (A x), saving x and each A x; one pass over the output and one over the gradient of x."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        linear: LinearMap,
        scalings: tuple[float, ...],
        *tensors: Tensor,
    ) -> Tensor:
        """x [N, in], the frozen map; per adapter down [r, in] and up [out, r] -> [N, out]."""
        out = linear.product(x)
        lows = []
        for scaling, down, up in zip(scalings, tensors[::2], tensors[1::2], strict=True):
            lows.append(x @ down.to(x.dtype).t())
            out.addmm_(lows[-1], up.to(x.dtype).t(), alpha=scaling)
        ctx.save_for_backward(x, *lows, *tensors)
        ctx.linear = linear  # and not its weight, which a quantised module computes anew each time
        ctx.scalings = scalings
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients of x and of every down and up; grad is [N, out]."""
        x, *rest = ctx.saved_tensors
        lows, tensors = rest[: len(ctx.scalings)], rest[len(ctx.scalings) :]
        towards_x = grad @ ctx.linear.weight() if ctx.needs_input_grad[0] else None
        gradients: list[Tensor | None] = []
        for i, (scaling, low) in enumerate(zip(ctx.scalings, lows, strict=True)):
            # with low = A x: dL/dlow = s grad B, dL/dA = dlow^T x, dL/dB = s grad^T low
            down, up = tensors[2 * i : 2 * i + 2]
            towards_low = (grad @ up.to(grad.dtype)).mul_(scaling)
            if towards_x is not None:
                towards_x.addmm_(towards_low, down.to(grad.dtype))
            trains = ctx.needs_input_grad[3 + 2 * i]
            gradients.append((towards_low.t() @ x).to(down.dtype) if trains else None)
            gradients.append((grad.t() @ low).to(up.dtype).mul_(scaling) if trains else None)
        return towards_x, None, None, *gradients
