"""Run a base model for the sampler: prefill a whole prompt, or decode one token for each of a fixed number of rows.

Adapters are applied in two ways: beside the weights, each row its own; or, within `folding`, in the weights of decode
steps. Between two calls the model is unchanged: attention and adapters are active only within a forward pass, and
folding happens in a copy.
"""

from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager

import torch
from torch import Tensor

from data.errors import ModelError
from trainer.model.base import Base
from trainer.model.linear_map import lora_targets
from trainer.sampling.decoder import Decoder, decodes, together
from trainer.sampling.row_attention import RowCache, attention, register
from trainer.sampling.row_lora import RowLora


class RowModel:
    """Forward passes over rows, each with its own cache and adapter; implements DecodingModel (decoding.py tests it).

    Raises ModelError for a model that mixes tokens of different rows. The base's weights must not change afterwards,
    since they may have been packed. Call it without gradients. Not thread-safe.
    """

    def __init__(self, base: Base, *, rows: int, max_adapters: int, max_rank: int) -> None:
        if any(".experts." in name for name in lora_targets(base.model)):
            raise ModelError("its experts are modules of their own, which mix the tokens of all rows")
        self.rows = rows
        self.lora = RowLora(
            base.model, rows=rows, capacity=max_adapters, max_rank=max_rank, together=together(base.model)
        )
        self._base = base
        self._decoder = Decoder(base.model, self.lora) if decodes(base.model) else None
        self._folded: str | None = None
        self._device = base.model.device
        register()

    @property
    def way(self) -> str:
        """How decode steps go through the model, in words."""
        means = "transformers' forward pass" if self._decoder is None else "a decode step of prefloop's own"
        return f"fast, all rows together by {means}"

    def cache(self) -> RowCache:
        """See DecodingModel.cache."""
        return RowCache()

    @contextmanager
    def folding(self, adapters: Set[str | None]) -> Iterator[None]:
        """See DecodingModel.folding; takes effect only where the weights are packed."""
        if self.lora.packed and len(adapters) == 1:
            (self._folded,) = adapters
        try:
            yield
        finally:
            self._folded = None

    def read(self, ids: Sequence[int], cache: RowCache, adapter: str | None, keep: int = 1) -> Tensor:
        """See DecodingModel.read."""
        return self._forward([list(ids)], [0], [cache], [adapter], keep)

    def decode(self, tokens: Sequence[int], caches: list[RowCache], adapters: Sequence[str | None]) -> Tensor:
        """See DecodingModel.decode; returns logits [rows, V]."""
        filler = [0] * (self.rows - len(tokens))
        padded = [*tokens, *filler]
        positions = [*(cache.length for cache in caches), *filler]
        self.lora.fold(self._folded)
        if self._folded is not None:
            adapters = [None] * len(adapters)
        if self._decoder is None:
            return self._forward([[token] for token in padded], positions, caches, adapters, 1)[:, -1]
        self.lora.use(adapters)
        logits = self._decoder.step(
            torch.tensor(padded, device=self._device), torch.tensor(positions, device=self._device), caches
        )
        for cache in caches:
            cache.length += 1
        return logits.float()

    def _forward(
        self,
        ids: list[list[int]],
        starts: list[int],
        caches: list[RowCache],
        adapters: Sequence[str | None],
        keep: int,
    ) -> Tensor:
        """Run transformers' forward pass over ids [B, T] from positions `starts`; float32 logits [B, keep, V]."""
        input_ids = torch.tensor(ids, device=self._device)
        steps = torch.arange(input_ids.shape[1], device=self._device)
        positions = torch.tensor(starts, device=self._device)[:, None] + steps
        with attention(self._base.model, register()), self.lora.acting(adapters, batch=len(ids)):
            out = self._base.model(
                input_ids=input_ids, position_ids=positions, use_cache=False, logits_to_keep=keep, rows=caches
            )
        for cache in caches:
            cache.length += input_ids.shape[1]
        logits: Tensor = out.logits.float()
        return logits
