"""Adapters by name on one frozen model; every row of a batch uses its own, or none.

peft's mixed batches split rows by adapter, which changes the shapes and with them a row's bits, and leak hooks after an
exception (peft#3475). Here nothing stays in the model: within `acting` its linear modules add each row's LoRA, after it
they are unchanged. Adapters come checked from trainer/model/adapter.py.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count

import torch
from torch import Tensor, nn

from trainer.model.adapter import Adapter
from trainer.model.linear_map import LinearMap, linear_maps
from trainer.sampling.row_linear import RowLinear

# Packed weights are a second copy of the model. For a larger model arithmetic dominates, not overhead, and memory is
# likely to be short.
_PACK_BELOW = 2 << 30


class RowLora:
    """Holds up to `capacity` adapters of at most `max_rank`; both cost memory on every linear module.

    rows: batch size of a decode step; together: groups of modules that read the same input, for callers of `product`.
    Not thread-safe: a single thread generates, loads and unloads.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        rows: int,
        capacity: int = 4,
        max_rank: int = 16,
        together: Sequence[tuple[str, ...]] = (),
    ) -> None:
        self.max_rank = max_rank
        self.rows = rows
        self._linears = linear_maps(model)
        self._modules = {name: model.get_submodule(name) for name in self._linears}
        self.packed = _packs(list(self._linears.values()))
        joined = {name for names in together for name in names}
        groups = [*together, *((name,) for name in self._linears if name not in joined)]
        self._groups = {
            names: RowLinear(
                {name: self._linears[name] for name in names},
                rows=rows,
                slots=capacity + 1,
                rank=max_rank,
                packed=self.packed,
            )
            for names in groups
        }
        self._of = {name: group for group in self._groups.values() for name in group.names}
        self._slots: dict[str, int] = {}
        self._stamps: dict[str, int] = {}
        self._next_stamp = count(1)
        self._free = list(range(capacity, 0, -1))
        self._using: list[int] = []
        self._device = next(model.parameters()).device

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the loaded adapters."""
        return tuple(self._slots)

    def load(self, name: str, adapter: Adapter) -> None:
        """Load an adapter into a free slot. Raises ValueError for a name in use or when no slot is free.

        Raises KeyError for a module that the model does not have.
        """
        if name in self._slots:
            raise ValueError(f"an adapter named {name} is loaded already")
        if not self._free:
            raise ValueError(
                f"no room for adapter {name}: {len(self._slots)} are loaded; raise max_adapters at the top of "
                "prefloop.toml"
            )
        missing = adapter.layers.keys() - self._linears.keys()
        if missing:
            raise KeyError(f"the model has no linear module {sorted(missing)[0]}")
        slot = self._free.pop()
        self._write(slot, adapter)
        self._slots[name] = slot
        self._stamps[name] = next(self._next_stamp)

    def unload(self, name: str) -> None:
        """Clear an adapter's slot. Raises KeyError when it is not loaded."""
        slot = self._slots.pop(name)
        self._write(slot, None)
        self._free.append(slot)

    def _write(self, slot: int, adapter: Adapter | None) -> None:
        for group in self._groups.values():
            group.put(slot, adapter)
        self._using = []

    def use(self, names: Sequence[str | None]) -> None:
        """Select the adapter of each row for the next products; None is the base. Further rows are filler."""
        slots = [0 if name is None else self._slots[name] for name in names]
        if slots == self._using:
            return
        uniform = len(set(slots)) == 1
        where = slots[0] if uniform else torch.tensor(slots, dtype=torch.long, device=self._device)
        for group in self._groups.values():
            group.use(where, len(slots))
        self._using = slots

    def fold(self, name: str | None) -> None:
        """Fold this adapter into the weights for the next decode steps; None: use the base weights.

        Fast if it is folded already. Works only where weights are packed; the rows must then `use` no adapter.
        """
        slot, stamp = (0, 0) if name is None else (self._slots[name], self._stamps[name])
        for group in self._groups.values():
            group.fold(slot, stamp)

    def product(self, names: tuple[str, ...]) -> Callable[[Tensor], Tensor]:
        """Return the product of modules named in `together`, or of a single one: [rows, in] -> [rows, sum of out]."""
        return self._groups[names]

    @contextmanager
    def acting(self, names: Sequence[str | None], *, batch: int | None = None) -> Iterator[None]:
        """Apply each row's adapter in the model's own forward pass over `batch` sequences, within the block.

        batch defaults to the number of names; rows beyond them are filler. Raises RuntimeError for an input that does
        not consist of that many sequences; with a batch of 1 every input belongs to its only row.
        """
        self.use(names)
        batch = batch or len(names)
        theirs = {name: vars(module).get("forward") for name, module in self._modules.items()}
        for name, module in self._modules.items():
            vars(module)["forward"] = self._forward(name, batch)  # set on the instance; the class is unchanged
        try:
            yield
        finally:
            for name, module in self._modules.items():
                del vars(module)["forward"]
                if theirs[name] is not None:
                    vars(module)["forward"] = theirs[name]

    def _forward(self, name: str, batch: int) -> Callable[[Tensor], Tensor]:
        linear, group = self._linears[name], self._of[name]
        alone = len(group.names) == 1

        def forward(x: Tensor) -> Tensor:
            if alone and batch == self.rows and x.numel() == batch * linear.in_features:
                return group(x.reshape(batch, -1)).view(*x.shape[:-1], -1)
            out = linear.product(x)
            if not group.acts:
                return out
            if batch > 1 and x.dim() > 2 and len(x) != batch:
                raise RuntimeError(f"{len(x)} sequences, and adapters for {batch}")
            by_row = x.reshape(batch, -1, x.shape[-1])  # some models flatten the batch (OPT, shared experts)
            return group.add(name, by_row, out.view(*by_row.shape[:-1], -1)).view(out.shape)

        return forward


def _packs(linears: Sequence[LinearMap]) -> bool:
    """Return whether oneDNN can pack these weights, and whether it pays."""
    plain = all(m.dense and m.dtype == torch.float32 and m.device.type == "cpu" for m in linears)
    size = sum(m.in_features * m.out_features * 4 for m in linears)
    return (
        plain
        and size <= _PACK_BELOW
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )
