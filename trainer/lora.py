"""LoRA that trains (Hu 2021, 2106.09685): y = W x + s B (A x) on the linear modules of a frozen base.

One hook per module serves any number of adapters, of which some act at a time: the policy, its reference, a
reward model, all on one base in memory. Nothing is merged and nothing is wrapped: the base's weights, names and
code stay as they are, and its sampler goes on using it. Files are in PEFT's format (adapter.py).
Knows nothing of losses, tokens or optimisers.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from trainer.adapter import Adapter, LoraWeights


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
        """An adapter that changes nothing yet, on every linear module but the head.

        A as PEFT draws it, uniform in ±1/sqrt(in) (Kaiming with a = sqrt 5); B = 0 (sec. 4.1).
        """
        source = torch.Generator().manual_seed(seed)
        head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
        layers = {}
        for name, module in model.named_modules():
            if not isinstance(module, nn.Linear) or module is head:
                continue
            down = torch.empty(rank, module.in_features)
            nn.init.kaiming_uniform_(down, a=math.sqrt(5), generator=source)
            where = module.weight.device
            layers[name] = LoraWeights(
                down.to(where), torch.zeros(module.out_features, rank, device=where), alpha / rank
            )
        return cls(Adapter(layers))

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """What trains, by name, always in the same order."""
        return self._tensors

    def freeze(self) -> "Lora":
        """No gradient any more."""
        for tensor in self._tensors.values():
            tensor.requires_grad_(False)
        return self

    def adapter(self) -> Adapter:
        """A copy of the weights as they are now, for a sampler or a file."""
        return Adapter({name: LoraWeights(*self._copy(name), scaling) for name, scaling in self._scaling.items()})

    def _copy(self, name: str) -> tuple[Tensor, Tensor]:
        down, up = (self._tensors[f"{name}.{part}"].detach().clone() for part in ("down", "up"))
        return down, up

    def __contains__(self, name: str) -> bool:
        return name in self._scaling

    def act(self, name: str, x: Tensor, out: Tensor) -> Tensor:
        """out + s B (A x) for one module, in place; x [..., in], out [..., rank-out]."""
        result: Tensor = _Act.apply(  # type: ignore[no-untyped-call]  # torch types apply not at all
            out, x, self._tensors[f"{name}.down"], self._tensors[f"{name}.up"], self._scaling[name]
        )
        return result


class LoraStack:
    """The hooks in one model, and which adapters act. Not thread-safe."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._acting: tuple[Lora, ...] = ()
        self._handles = [
            module.register_forward_hook(self._hook(name))
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear)
        ]

    @contextmanager
    def acting(self, *loras: Lora) -> Iterator[None]:
        """Within, these adapters act, one on top of the other, and no others."""
        before = self._acting
        self._acting = loras
        try:
            yield
        finally:
            self._acting = before

    def close(self) -> None:
        """Take the hooks out; the model is as it was."""
        for handle in self._handles:
            handle.remove()

    def _hook(self, name: str) -> Any:  # noqa: ANN401  # torch's hook type is a union nobody can spell
        def add(_: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> Tensor:
            for lora in self._acting:
                if name in lora:
                    out = lora.act(name, args[0], out)
            return out

        return add


def stacked(below: Adapter, above: Adapter) -> Adapter:
    """The one adapter that does what two do on top of each other: ranks add up, scaling 1, nothing is rounded away."""
    layers = {}
    for name in below.layers.keys() | above.layers.keys():
        found = [adapter.layers[name] for adapter in (below, above) if name in adapter.layers]
        down = torch.cat([weights.down.float() for weights in found])
        up = torch.cat([weights.up.float() * weights.scaling for weights in found], 1)
        layers[name] = LoraWeights(down, up, 1.0)
    return Adapter(dict(sorted(layers.items())))


class _Act(torch.autograd.Function):
    """out += s B (A x), keeping only x and A x for the backward pass."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, x: Tensor, down: Tensor, up: Tensor, scaling: float) -> Tensor:  # noqa: ANN401
        """out [..., out], x [..., in], down [r, in], up [out, r]."""
        flat, kind = x.reshape(-1, x.shape[-1]), x.dtype
        low = flat @ down.to(kind).t()
        out.view(-1, out.shape[-1]).addmm_(low, up.to(kind).t(), alpha=scaling)
        ctx.mark_dirty(out)
        ctx.save_for_backward(x, low, down, up)
        ctx.scaling = scaling
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Gradients of out, x, down and up."""
        x, low, down, up = ctx.saved_tensors
        flat = grad.reshape(-1, grad.shape[-1])
        towards = (flat @ up.to(flat.dtype)).mul_(ctx.scaling)
        d_down = (towards.t() @ x.reshape(-1, x.shape[-1])).to(down.dtype) if ctx.needs_input_grad[2] else None
        d_up = (flat.t() @ low).to(up.dtype).mul_(ctx.scaling) if ctx.needs_input_grad[3] else None
        d_x = (towards @ down.to(flat.dtype)).view_as(x) if ctx.needs_input_grad[1] else None
        return grad, d_x, d_down, d_up, None
