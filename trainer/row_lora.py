"""LoRA in which every row of a batch has its own adapter, or none.

y = W x + s * B_i (A_i x) with the A, B and scaling s of row i (Hu 2021, 2106.09685, eq. 3). One batched
product serves all rows, so its shapes, and with them a row's very bits, do not depend on which versions
share the batch. peft's own mixed batch splits rows by adapter, which changes the shapes, and leaks its
hooks after an exception (peft#3475); here a hook is set once and only reads a list.
Knows nothing of sampling; adapters come ready-checked from adapter.py.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from trainer.adapter import Adapter, LoraWeights


class _Layer:
    """The adapters of one linear module, stacked: slot 0 is the bare base, all zeros."""

    def __init__(self, module: nn.Linear, slots: int, rank: int) -> None:
        weight = module.weight
        self.down = weight.new_zeros(slots, rank, module.in_features)
        self.up = weight.new_zeros(slots, module.out_features, rank)

    def put(self, slot: int, lora: LoraWeights | None) -> None:
        """Write an adapter's A and s*B into a slot, zero-padded to the common rank; None clears it."""
        self.down[slot].zero_()
        self.up[slot].zero_()
        if lora is not None:
            self.down[slot, : lora.rank] = lora.down
            self.up[slot, :, : lora.rank] = lora.up * lora.scaling

    def delta(self, x: Tensor, slots: Tensor | int) -> Tensor:
        """x [B, T, in] -> [B, T, out], row i with the adapter in slots[i], or all with that of one slot.

        One slot for all is a view instead of a copy; the product, and its bits, are the same.
        """
        down, up = self.down[slots], self.up[slots]
        if isinstance(slots, int):
            down, up = down.expand(x.shape[0], -1, -1), up.expand(x.shape[0], -1, -1)
        return torch.bmm(torch.bmm(x, down.transpose(1, 2)), up.transpose(1, 2))


class RowLora:
    """Adapters by name over one frozen model; `rows` says which row uses which.

    Room for `capacity` adapters of at most `max_rank`; both cost memory on every linear module.
    Not thread-safe: one thread generates, loads and deletes.
    """

    def __init__(self, model: nn.Module, *, capacity: int = 4, max_rank: int = 16) -> None:
        self.max_rank = max_rank
        self._capacity = capacity
        self._slots: dict[str, int] = {}
        self._free = list(range(capacity, 0, -1))
        self._rows: Tensor | int = 0
        self._device = next(model.parameters()).device
        self._layers: dict[str, _Layer] = {}
        self._linears: Mapping[str, nn.Linear] = {
            name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The adapters that are loaded."""
        return tuple(self._slots)

    def load(self, name: str, adapter: Adapter) -> None:
        """Put an adapter into a free slot. Raises ValueError for a taken name or when no slot is free."""
        if name in self._slots:
            raise ValueError(f"an adapter named {name} is loaded already")
        if not self._free:
            raise ValueError(f"no room for adapter {name}: {len(self._slots)} are loaded")
        slot = self._free.pop()
        for module in adapter.layers:
            if module not in self._layers:
                self._watch(module)
        for module, layer in self._layers.items():
            layer.put(slot, adapter.layers.get(module))
        self._slots[name] = slot

    def unload(self, name: str) -> None:
        """Clear an adapter's slot. Raises KeyError when it is not loaded."""
        slot = self._slots.pop(name)
        for layer in self._layers.values():
            layer.put(slot, None)
        self._free.append(slot)

    def use(self, names: Sequence[str | None]) -> None:
        """Say which adapter each row of the next forward passes uses; None is the bare base."""
        slots = [0 if name is None else self._slots[name] for name in names]
        uniform = len(set(slots)) == 1
        self._rows = slots[0] if uniform else torch.tensor(slots, dtype=torch.long, device=self._device)

    def _watch(self, module: str) -> None:
        """Hook one linear module, the first time an adapter targets it."""
        linear = self._linears[module]
        layer = _Layer(linear, self._capacity + 1, self.max_rank)
        self._layers[module] = layer

        def add_delta(_: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> Tensor:
            if isinstance(self._rows, int) and self._rows == 0:
                return out  # all rows are bare base: adding the zeros of slot 0 would change no bit
            return out + layer.delta(args[0], self._rows)

        linear.register_forward_hook(add_delta)
