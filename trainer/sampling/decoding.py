"""Which way the sampler takes through a model: rows together where a proof holds for this very model, else one by one.

sampler.py asks once for each model it is given, and drives what it gets; what the start of a server and `prefloop
model check` show of it is `Chosen.reason`.
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
    """What a model remembers of one sequence."""

    @property
    def length(self) -> int:
        """Tokens read so far."""
        ...

    def fork(self) -> "Cache":
        """An independent copy: another answer goes on from the same prefill."""
        ...


_Cache = TypeVar("_Cache")


class DecodingModel(Protocol[_Cache]):
    """A model that reads prompts whole and answers token by token, each row with a cache and an adapter of its own."""

    @property
    def lora(self) -> RowLora:
        """Loads, unloads and names the adapters."""
        ...

    def cache(self) -> _Cache:
        """An empty one, for `read`."""
        ...

    def folding(self, adapters: Set[str | None]) -> AbstractContextManager[None]:
        """Within, decode steps may have the adapter of all rows in their weights, if they share one."""
        ...

    def read(self, ids: Sequence[int], cache: _Cache, adapter: str | None, keep: int = 1) -> Tensor:
        """Run a sequence from its first position; float32 logits [1, keep, V] of its end."""
        ...

    def decode(self, tokens: Sequence[int], caches: list[_Cache], adapters: Sequence[str | None]) -> Tensor:
        """Run one token a row; float32 logits [at least len(tokens), V], of which those beyond are filler."""
        ...


@dataclass(frozen=True, slots=True)
class DecodingChoice:
    """The way that a model takes, and in words why."""

    model: DecodingModel[Any]
    reason: str


_NAME = "proof"
_DECODED = 2
# Relative to the largest logit. Seen in float32: rounding up to 1e-6, a missing position from 5e-2.
_TOLERANCE = {torch.bfloat16: 5e-2, torch.float16: 2e-2}
_TOLERANCE_FLOAT32 = 1e-3
_SENSITIVE = 0.05  # size of B in the proof's adapter: each module moves by a few percent


def choose_decoding(base: Base, *, rows: int, max_adapters: int, max_rank: int) -> DecodingChoice:
    """Rows together where a proof shows that they get the logits of transformers' own forward pass, else one by one.

    The proof reads and decodes two sequences side by side, one with an adapter and one without. Raises ModelError for a
    model that cannot carry LoRA, or whose generation by transformers differs from its own forward pass.
    """
    proof = _Expected(base)
    try:
        fast = RowModel(base, rows=rows, max_adapters=max_adapters, max_rank=max_rank)
        proof.hold(fast, together=min(rows, 2))
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # an architecture that is built otherwise can fail in any way
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
    """What two sequences and an adapter shall give, by transformers' forward pass over each of them whole."""

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
        """See that a prefill and decode steps give these logits. Raises ModelError saying how far they are off."""
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
    """In one line."""
    if isinstance(error, ModelError):
        return str(error)
    return f"its forward pass does not fit ({' '.join(str(error).split())[:150] or type(error).__name__})"


def _apart(found: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the largest logit."""
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-6))


def _probing(base: Base) -> Adapter:
    """An adapter of rank 1 on all that can carry one, strong enough that none could be missing unseen."""
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
