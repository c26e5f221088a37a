"""Choose how the sampler runs a model: rows together if that is verified for this very model, else one by one.

sampler.py calls this once per model and uses what it gets; the server's start and `prefloop model check` show
`DecodingChoice.reason`.
"""

from collections.abc import Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from data.errors import ModelError
from trainer.model.adapter import Adapter, LoraWeights
from trainer.model.base import Base
from trainer.model.lora import Lora, LoraStack
from trainer.sampling.general_model import GeneralModel
from trainer.sampling.row_lora import RowLora
from trainer.sampling.row_model import RowModel


class Cache(Protocol):
    """The state a model keeps of one sequence (KV cache or other)."""

    @property
    def length(self) -> int:
        """Number of tokens read so far."""
        ...

    def fork(self) -> "Cache":
        """Return an independent copy, so that another answer can continue from the same prefill."""
        ...


_Cache = TypeVar("_Cache")


class DecodingModel(Protocol[_Cache]):
    """A model that reads prompts whole and decodes token by token, each row with its own cache and adapter."""

    @property
    def lora(self) -> RowLora:
        """The adapters by name; loads and unloads them."""
        ...

    def cache(self) -> _Cache:
        """Return an empty cache for `read`."""
        ...

    def folding(self, adapters: Set[str | None]) -> AbstractContextManager[None]:
        """Allow decode steps within the block to fold the adapter into the weights, if all rows share one."""
        ...

    def read(self, ids: Sequence[int], cache: _Cache, adapter: str | None, keep: int = 1) -> Tensor:
        """Prefill a sequence from its first position; returns float32 logits [1, keep, V] of its last positions."""
        ...

    def decode(self, tokens: Sequence[int], caches: list[_Cache], adapters: Sequence[str | None]) -> Tensor:
        """Decode one token per row; returns float32 logits [at least len(tokens), V]; further rows are filler."""
        ...


@dataclass(frozen=True, slots=True)
class DecodingChoice:
    """The decoding chosen for a model, and the reason in words."""

    model: DecodingModel[Any]
    reason: str


_NAME = "proof"
_DECODED = 2
# Relative to the largest logit. Measured in float32: rounding up to 1e-6, a missing position from 5e-2.
_TOLERANCE = {torch.bfloat16: 5e-2, torch.float16: 2e-2}
_TOLERANCE_FLOAT32 = 1e-3
_SENSITIVE = 0.05  # scale of B in the test adapter: each module changes by a few percent


def choose_decoding(base: Base, *, rows: int, max_adapters: int, max_rank: int) -> DecodingChoice:
    """Decode rows together if a test shows transformers' own logits, else one by one.

    The test prefills and decodes two sequences side by side, one with an adapter and one without. Raises ModelError for
    a model that cannot carry LoRA, or whose generation by transformers differs from its own forward pass.
    """
    proof = _Expected(base)
    try:
        fast = RowModel(base, rows=rows, max_adapters=max_adapters, max_rank=max_rank)
        proof.hold(fast, together=min(rows, 2))
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # an unusual architecture can fail in any way
        why = _why(error)
    else:
        return DecodingChoice(fast, fast.way)
    try:
        slow = GeneralModel(base, max_adapters=max_adapters, max_rank=max_rank)
        proof.hold(slow, together=2)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise ModelError(
            f"model {base.name} cannot be sampled: not even by transformers' own generation, for {_why(error)}; "
            "serve a model of another architecture (docs/models.md lists those that work)"
        ) from error
    return DecodingChoice(slow, f"slow, one answer at a time: {why}")


class _Expected:
    """Expected logits of two sequences, one with an adapter, from transformers' forward pass over each as a whole."""

    def __init__(self, base: Base) -> None:
        self._adapter = _probing(base)
        self._sequences = (tuple(3 + i * 7 % 53 for i in range(16)), tuple(3 + i * 11 % 53 for i in range(10)))
        self._adapters = (_NAME, None)
        self._tolerance = _TOLERANCE.get(base.model.dtype, _TOLERANCE_FLOAT32)
        lora, stack = Lora(self._adapter), LoraStack(base.model)
        with torch.inference_mode(), stack.acting(lora):
            moved = self._whole(base, self._sequences[0])
        with torch.inference_mode():
            bare = self._whole(base, self._sequences[0])
            self._expected = (moved, self._whole(base, self._sequences[1]))
        if bare.any() and not _apart(moved, bare) > 0:
            raise ModelError(f"model {base.name} cannot carry LoRA: an adapter on its linear modules changes nothing")

    def _whole(self, base: Base, ids: tuple[int, ...]) -> Tensor:
        model: Any = base.model
        logits: Tensor = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits
        return logits[0, -_DECODED - 1 :].float()

    def hold(self, model: DecodingModel[Any], *, together: int) -> None:
        """Check that prefill and decode steps give the expected logits. Raises ModelError with the difference."""
        model.lora.load(_NAME, self._adapter)
        try:
            with torch.inference_mode():
                self._compare(model, self._sequences[:together], list(self._adapters[:together]))
        finally:
            model.lora.unload(_NAME)

    def _compare(
        self, model: DecodingModel[Any], sequences: Sequence[tuple[int, ...]], adapters: list[str | None]
    ) -> None:
        caches = [model.cache() for _ in sequences]
        found = [
            [model.read(ids[:-_DECODED], cache, adapter)[0, -1]]
            for ids, cache, adapter in zip(sequences, caches, adapters, strict=True)
        ]
        for step in range(-_DECODED, 0):
            logits = model.decode([ids[step] for ids in sequences], caches, adapters)
            for row, of_row in enumerate(found):
                of_row.append(logits[row])
        off = max(_apart(torch.stack(of_row), whole) for of_row, whole in zip(found, self._expected, strict=False))
        if not off <= self._tolerance:
            raise ModelError(f"logits would differ from those of its own forward pass by {off:.1%}")


def _why(error: Exception) -> str:
    """Describe an error in one line."""
    if isinstance(error, ModelError):
        return str(error)
    return f"its forward pass does not fit ({' '.join(str(error).split())[:150] or type(error).__name__})"


def _apart(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference, relative to the largest logit."""
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-6))


def _probing(base: Base) -> Adapter:
    """Build a rank-1 adapter on all targets, strong enough that a missing one would be noticed."""
    fresh = Lora.fresh(base.model, rank=1, alpha=1, seed=0).adapter()
    source = torch.Generator().manual_seed(1)
    dtype = base.model.dtype
    return Adapter(
        {
            name: LoraWeights(
                weights.down.to(dtype),
                (torch.randn(weights.up.shape, generator=source) * _SENSITIVE).to(weights.up.device, dtype),
                weights.scaling,
            )
            for name, weights in fresh.layers.items()
        }
    )
