"""Decode any model one row at a time, as transformers generates; used where decoding rows together does not fit.

Every row keeps the cache that the model itself makes (keys and values, states of Mamba or RWKV, a mixture) and goes
through the model alone, so its results do not depend on other rows. Slower than row_model.py, since every row reads all
weights.
"""

import inspect
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig
from transformers.generation.configuration_utils import GenerationMode

from trainer.model.base import Base
from trainer.sampling.row_lora import RowLora


@dataclass(slots=True)
class GeneralCache:
    """The state of transformers' generation for one sequence: ids [1, T], and the next forward pass's arguments."""

    ids: Tensor = field(default_factory=lambda: torch.empty(1, 0, dtype=torch.long))
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Number of tokens read so far."""
        return self.ids.shape[1]

    def fork(self) -> "GeneralCache":
        """Return an independent copy, so that another answer can continue from the same prefill."""
        return GeneralCache(self.ids, deepcopy(self.arguments))


class GeneralModel:
    """See trainer.sampling.decoding.DecodingModel. Call it without gradients. Not thread-safe."""

    def __init__(self, base: Base, *, max_adapters: int, max_rank: int) -> None:
        model: Any = base.model  # transformers' generation mixin is untyped
        self.lora = RowLora(base.model, rows=1, capacity=max_adapters, max_rank=max_rank)
        self._model = model
        self._device = base.model.device
        self._keeps = bool(self._model._supports_logits_to_keep())
        self._settings = GenerationConfig()  # type: ignore[no-untyped-call]
        self._places = "position_ids" in inspect.signature(self._model.forward).parameters

    def cache(self) -> GeneralCache:
        """See DecodingModel.cache."""
        return GeneralCache()

    @contextmanager
    def folding(self, adapters: Set[str | None]) -> Iterator[None]:
        """See DecodingModel.folding; adapters are never folded here."""
        yield

    def read(self, ids: Sequence[int], cache: GeneralCache, adapter: str | None, keep: int = 1) -> Tensor:
        """See DecodingModel.read."""
        cache.ids = torch.tensor([ids], device=self._device)
        cache.arguments = {"use_cache": True}
        if self._places:
            cache.arguments["position_ids"] = torch.arange(len(ids), device=self._device)[None]
        self._model._prepare_cache_for_generation(
            self._settings, cache.arguments, GenerationMode.GREEDY_SEARCH, batch_size=1, max_cache_length=len(ids)
        )
        return self._forward(cache, adapter, keep, first=True)

    def decode(self, tokens: Sequence[int], caches: list[GeneralCache], adapters: Sequence[str | None]) -> Tensor:
        """See DecodingModel.decode."""
        logits = []
        for token, cache, adapter in zip(tokens, caches, adapters, strict=True):
            cache.ids = torch.cat((cache.ids, torch.tensor([[token]], device=self._device)), 1)
            logits.append(self._forward(cache, adapter, 1, first=False)[:, -1])
        return torch.cat(logits)

    def _forward(self, cache: GeneralCache, adapter: str | None, keep: int, *, first: bool) -> Tensor:
        """Run one step of transformers' generation; returns float32 logits [1, keep, V]."""
        inputs = self._model.prepare_inputs_for_generation(
            cache.ids, next_sequence_length=None if first else 1, is_first_iteration=first, **cache.arguments
        )
        if self._keeps:
            inputs["logits_to_keep"] = keep
        with nullcontext() if adapter is None else self.lora.acting([adapter]):
            out = self._model(**inputs)
        cache.arguments = self._model._update_model_kwargs_for_generation(out, cache.arguments)
        logits: Tensor = out.logits[:, -keep:].float()
        return logits
