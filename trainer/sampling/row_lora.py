"""Adapters by name over one frozen model, of which every row of a batch has its own, or none.

peft's own mixed batch splits rows by adapter, which changes the shapes and with them a row's bits, and leaks its
hooks after an exception (peft#3475). Here nothing stays in the model: within `acting` its linear modules add each
row's LoRA, after it they are as they were. Knows nothing of sampling; adapters come ready-checked from
trainer/model/adapter.py.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count

import torch
from torch import Tensor, nn

from trainer.model.adapter import Adapter
from trainer.model.linear_map import LinearMap, linear_maps
from trainer.sampling.row_linear import RowLinear

# Packed weights are a second copy of the model. A larger one is slow enough for its arithmetic, not its overhead, to
# decide, and its owner short of memory.
_PACK_BELOW = 2 << 30


class RowLora:
    """Room for `capacity` adapters of at most `max_rank`; both cost memory on every linear module.

    rows is the batch of a decode step; `together` names the modules that read one input, for whoever calls
    `product` with theirs. Not thread-safe: one thread generates, loads and deletes.
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
        """The adapters that are loaded."""
        return tuple(self._slots)

    def load(self, name: str, adapter: Adapter) -> None:
        """Put an adapter into a free slot. Raises ValueError for a taken name or when no slot is free.

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
        """Say which adapter each row of the next products uses; None is the bare base. Rows beyond are filler."""
        slots = [0 if name is None else self._slots[name] for name in names]
        if slots == self._using:
            return
        uniform = len(set(slots)) == 1
        where = slots[0] if uniform else torch.tensor(slots, dtype=torch.long, device=self._device)
        for group in self._groups.values():
            group.use(where, len(slots))
        self._using = slots

    def fold(self, name: str | None) -> None:
        """Let the products of the next decode steps have this adapter in their weights; None: none, as they stand.

        Quick when it is so already. Only where the weights are packed; `use` then gives the rows no adapter.
        """
        slot, stamp = (0, 0) if name is None else (self._slots[name], self._stamps[name])
        for group in self._groups.values():
            group.fold(slot, stamp)

    def product(self, names: tuple[str, ...]) -> Callable[[Tensor], Tensor]:
        """For modules named in `together`, or a single one: x [rows, in] -> [rows, sum of out], adapters included."""
        return self._groups[names]

    @contextmanager
    def acting(self, names: Sequence[str | None], *, batch: int | None = None) -> Iterator[None]:
        """Within, the model's own forward pass over `batch` sequences gives each row its adapter.

        batch is the number of names if nothing else is said; rows beyond them are filler. Raises RuntimeError for
        an input that is not made of that many sequences; whatever belongs to a batch of 1 is of its one row.
        """
        self.use(names)
        batch = batch or len(names)
        theirs = {name: vars(module).get("forward") for name, module in self._modules.items()}
        for name, module in self._modules.items():
            vars(module)["forward"] = self._forward(name, batch)  # of this instance; the class keeps its own
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
    """Whether oneDNN can pack these weights, and there is reason to let it."""
    plain = all(m.dense and m.dtype == torch.float32 and m.device.type == "cpu" for m in linears)
    size = sum(m.in_features * m.out_features * 4 for m in linears)
    return (
        plain
        and size <= _PACK_BELOW
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )
