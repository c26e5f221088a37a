"""Linear modules for a small fixed number of rows, with an own LoRA per row.

y = W x + s * B_i (A_i x) with the A, B and scaling s of row i (Hu 2021, 2106.09685, eq. 3). The number of rows in W x
is constant (missing rows are filler), and the LoRA is one small product per row, so a row's result is the same to the
bit whatever the other rows are. row_lora.py maps adapter names to slots.
"""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from trainer.model.adapter import Adapter
from trainer.model.linear_map import LinearMap


class RowLinear:
    """Linear modules that read the same input, as one product; slot 0 is the base without adapter.

    On the CPU in float32 F.linear is slow for 2 to 16 rows. `(W @ x.T).T` costs the same for 2 rows as for 16, and
    weights packed by oneDNN for this number of rows cost about half of that (49,152 x 576, 8 rows, 1 thread of an AMD
    EPYC: F.linear 82 ms, transposed 47, packed by MKL 67, by oneDNN 25). Packed weights are a copy, so an adapter can
    be folded into them while the model's own weights stay unchanged.
    """

    def __init__(self, modules: Mapping[str, LinearMap], *, rows: int, slots: int, rank: int, packed: bool) -> None:
        self.names = tuple(modules)
        self._modules = tuple(modules.values())
        self._outs = [module.out_features for module in self._modules]
        self._rows, self._slots, self._rank = rows, slots, rank
        first = self._modules[0]
        self._zeros = partial(torch.zeros, device=first.device, dtype=first.dtype)
        self._in = first.in_features
        self._transposed = first.dense and first.device.type == "cpu" and first.dtype == torch.float32
        self._down: Tensor | None = None  # [slots, in, modules * rank]
        self._ups: list[Tensor] = []  # by module: [slots, rank, out]
        self._filled: set[int] = set()
        self._now: tuple[Tensor, list[Tensor]] | None = None
        self._packed = packed
        self._pack: Tensor | None = None
        self._folded = 0
        self._bias = _joint_bias(self._modules)

    @property
    def acts(self) -> bool:
        """Whether any row has an adapter here."""
        return self._now is not None

    def put(self, slot: int, adapter: Adapter | None) -> None:
        """Write an adapter's A and s*B into a slot, zero-padded to the common rank; None clears the slot.

        Clearing the last filled slot frees the memory of all slots.
        """
        if slot in self._filled:
            for store in self._stores():
                store[slot].zero_()
            self._filled.discard(slot)
            if not self._filled:
                self._down, self._ups, self._now = None, [], None
        for i, name in enumerate(self.names):
            if adapter is None or name not in adapter.layers:
                continue
            lora = adapter.layers[name]
            down, *ups = self._stores()
            at = i * self._rank
            down[slot, :, at : at + lora.rank] = lora.down.T
            ups[i][slot, : lora.rank] = lora.up.T * lora.scaling
            self._filled.add(slot)

    def use(self, slots: Tensor | int, count: int) -> None:
        """Select the slots of the adapters of `count` rows; a single slot for all rows is a view, not a copy.

        Valid until the next call; call it again after a slot was written.
        """
        self._now = None
        if self._filled and not (isinstance(slots, int) and slots == 0):  # slot 0 alone would only add zeros
            # down [count, in, modules * rank], each up [count, rank, out]
            down, *ups = (
                store[slots].expand(count, -1, -1) if isinstance(slots, int) else store[slots]
                for store in self._stores()
            )
            self._now = down, ups

    def fold(self, slot: int, stamp: int) -> None:
        """Pack W with a slot's adapter folded in; stamp identifies the slot's content, 0 is the base."""
        stamp = stamp if slot in self._filled else 0
        if not self._packed or (self._pack is not None and stamp == self._folded):
            return
        weights = [module.weight() for module in self._modules]
        if stamp:
            down, *ups = self._stores()
            downs = down[slot].chunk(len(ups), -1)
            weights = [torch.addmm(w, up[slot].T, low.T) for w, low, up in zip(weights, downs, ups, strict=True)]
        self._pack = None  # free the old copy before making the new one
        self._pack = torch.ops.mkldnn._reorder_linear_weight(torch.cat(weights), self._rows)
        self._folded = stamp

    def __call__(self, x: Tensor) -> Tensor:
        """x [rows, in] -> [rows, sum of out], with adapters on the first rows, as many as `use` selected."""
        out = self._product(x)
        if self._now is not None:
            down, ups = self._now
            count = len(down)
            # batched over rows: x [count, 1, in] @ down -> [count, 1, modules * rank], split by module
            inner = torch.bmm(x[:count, None], down).chunk(len(ups), -1)
            for part, low, up in zip(out[:count, None].split_with_sizes(self._outs, -1), inner, ups, strict=True):
                part.add_(torch.bmm(low, up))  # baddbmm_ is four times slower on part of a row
        return out

    def add(self, name: str, x: Tensor, out: Tensor) -> Tensor:
        """Add s B (A x) of one module to out in place: x [B, T, in], out [B, T, out], B rows as selected by `use`."""
        if self._now is not None:
            i = self.names.index(name)
            down, ups = self._now
            out.baddbmm_(torch.bmm(x, down[:, :, i * self._rank : (i + 1) * self._rank]), ups[i])
        return out

    def _product(self, x: Tensor) -> Tensor:
        if self._pack is not None:
            out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._pack, self._bias, "none", [], "")
            return out
        parts = [_transposed(module, x) if self._transposed else module.product(x) for module in self._modules]
        return torch.cat(parts, -1) if len(parts) > 1 else parts[0].contiguous()

    def _stores(self) -> tuple[Tensor, ...]:
        """Return down and ups of all slots, allocated when the first adapter targets these modules."""
        if self._down is None:
            self._down = self._zeros(self._slots, self._in, len(self._modules) * self._rank)
            self._ups = [self._zeros(self._slots, self._rank, out) for out in self._outs]
        return self._down, *self._ups


def _transposed(module: LinearMap, x: Tensor) -> Tensor:
    out = (module.weight() @ x.T).T
    return out if module.bias is None else out + module.bias


def _joint_bias(modules: tuple[LinearMap, ...]) -> Tensor | None:
    if all(module.bias is None for module in modules):
        return None
    return torch.cat(
        [torch.zeros(m.out_features, device=m.device, dtype=m.dtype) if m.bias is None else m.bias for m in modules]
    )
