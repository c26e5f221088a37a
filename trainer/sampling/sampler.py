"""The sampler: rows join, decode together one token per step, and leave when they are done.

A model runs in one of two ways, chosen by a test in decoding.py: all rows in one forward pass, or, where that does not
fit, each row alone by transformers' own generation, which is slower. What follows on reproducibility is about the
first; in the second a row is alone in its forward pass, so other rows never affect it.

One prefill serves all answers to one prompt. A row's tokens depend only on its prompt, adapter, seed and sampling
parameters, never on other rows: every decode step has the same shapes (`max_rows` rows, filler included), attention and
LoRA run per row, and each row has its own random generator. This holds to the bit on the CPU; on a GPU the choice of
kernels depends on the batch, and with it the rounding.

Adapters are applied in two ways. Rows that `join` always have theirs beside the weights, even when all share one: if it
were folded in, their bits would change whenever a row of another version came or went. `generate` folds the adapter
into the weights when all its requests share one. Rows of such calls have the same bits in any order and batch; compared
with rows of mixed calls they are equal up to rounding.

Between two calls the model is unchanged (row_model.py). Threads and versions are handled by the caller: app/serving
runs it for the server, trainers call `generate`.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from data.errors import ModelError
from data.records import FinishReason, Sampling
from trainer.model.adapter import Adapter
from trainer.model.base import Base
from trainer.sampling.decoding import Cache, DecodingChoice, DecodingModel, choose_decoding
from trainer.sampling.token_sampling import draw


@dataclass(frozen=True, slots=True)
class Request:
    """One answer to sample: prompt ids, adapter name (None: the base), seed, sampling parameters."""

    prompt_ids: tuple[int, ...]
    adapter: str | None
    seed: int
    sampling: Sampling


@dataclass(slots=True, eq=False)
class SampledRow:
    """An answer being sampled, of at most `limit` tokens.

    logprobs are at temperature 1 under the row's own adapter, in nats. The cache is dropped once the answer has ended,
    so that keeping hundreds of answers does not keep their KV caches (SmolLM2: 46 MB for 1,000 tokens).
    """

    request: Request
    limit: int
    cache: Cache | None
    random: random.Random
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None

    def take(self, token: int, logprob: float, ends: Callable[[Sequence[int]], bool]) -> None:
        """Append a sampled token and check whether it was the last; ends: tells whether the ids so far are complete."""
        self.token_ids.append(token)
        self.logprobs.append(logprob)
        if ends(self.token_ids):
            self.finish_reason = FinishReason.STOP
        elif len(self.token_ids) >= self.limit:
            self.finish_reason = FinishReason.LENGTH
        if self.finish_reason is not None:
            self.cache = None


@dataclass(frozen=True, slots=True)
class _Prefill:
    """A prompt read under an adapter, from which answers continue. logits are [1, V]."""

    cache: Cache
    logits: Tensor


class Sampler:
    """Decodes up to max_rows answers at once on one frozen model, which others may use between two calls.

    way: how it runs the model, fast or slow, and why, in words. Raises ModelError for a model that cannot be sampled
    or cannot carry LoRA. Not thread-safe. After any exception `reset` drops all rows; the model itself keeps no state
    of them.
    """

    def __init__(self, base: Base, *, max_rows: int = 8, max_adapters: int = 4, max_rank: int = 16) -> None:
        self.base = base
        self.max_rows = max_rows
        self.max_rank = max_rank
        self.rows: list[SampledRow] = []
        self._home = base.model.device
        self._adapters: dict[str, Adapter] = {}
        self._build = partial(choose_decoding, base, rows=max_rows, max_adapters=max_adapters, max_rank=max_rank)
        self._built: DecodingChoice | None = self._build()
        self.way = self._built.reason

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the loaded adapters."""
        return tuple(self._adapters)

    @property
    def free(self) -> int:
        """How many more rows may join."""
        return self.max_rows - len(self.rows)

    def load(self, name: str, adapter: Adapter) -> None:
        """Load an adapter under a name. Raises ValueError for a name in use or when there is no room.

        The weights are copied, so later changes of `adapter` have no effect here.
        """
        self._model.lora.load(name, adapter)
        self._adapters[name] = adapter

    def unload(self, name: str) -> None:
        """Unload an adapter. Raises ValueError while a row uses it, KeyError when it is not loaded."""
        if any(row.request.adapter == name for row in self.rows):
            raise ValueError(f"adapter {name} is in use")
        if self._built is not None:
            self._built.model.lora.unload(name)
        del self._adapters[name]

    def offload(self) -> None:
        """Move the weights to CPU memory and drop everything derived from them, until `reload`.

        Raises ValueError while there are rows.
        """
        if self.rows:
            raise ValueError(f"{len(self.rows)} answers are under way")
        self._built = None
        self.base.move(torch.device("cpu"))

    def reload(self) -> None:
        """Undo `offload`, with the same adapters; does nothing if not offloaded."""
        if self._built is None:
            self.base.move(self._home)
            built = self._build()
            for name, adapter in self._adapters.items():
                built.model.lora.load(name, adapter)
            self._built = built

    @property
    def _model(self) -> DecodingModel[Any]:
        if self._built is None:
            raise ModelError("the model is offloaded, and cannot be asked")
        return self._built.model

    @torch.inference_mode()
    def join(self, requests: Sequence[Request]) -> list[SampledRow]:
        """Start answers to one prompt under one adapter: one prefill, and the first token of each.

        Raises ValueError when they differ in prompt or adapter, or when there is no room for all; PromptError when the
        prompt leaves no room for an answer.
        """
        first = requests[0]
        if any(_prompt(request) != _prompt(first) for request in requests):
            raise ValueError("rows that join together share prompt and adapter")
        if len(requests) > self.free:
            raise ValueError(f"{len(requests)} rows, room for {self.free}")
        return self._start(requests, self._prefill(first))

    @torch.inference_mode()
    def step(self) -> list[SampledRow]:
        """Decode one token for every row; returns all of them, including those that just finished and left."""
        rows = self.rows
        if not rows:
            return []
        caches = [row.cache for row in rows if row.cache is not None]  # unfinished rows always have one
        logits = self._model.decode([row.token_ids[-1] for row in rows], caches, [row.request.adapter for row in rows])
        self._draw(rows, logits[: len(rows)])
        self.rows = [row for row in rows if row.finish_reason is None]
        return rows

    def leave(self, row: SampledRow) -> None:
        """Remove a row before its end; does nothing if it has left already."""
        self.rows = [other for other in self.rows if other is not row]

    def reset(self) -> None:
        """Drop all rows."""
        self.rows = []

    @torch.inference_mode()
    def generate(
        self, requests: Sequence[Request], *, refold: bool = False, ended: Callable[[], None] = lambda: None
    ) -> list[SampledRow]:
        """Sample all requests to their end; returns rows in the order of the requests. ended: called for each row.

        Each prompt is prefilled once for all its answers under one adapter; a row that ends makes room for the next,
        whatever its adapter, so that batches stay full. Rows that had joined before are finished as well. refold: fold
        an adapter into the weights whenever all current rows share it, not only if the whole call does: faster where
        each adapter has many answers, equal to the server's results up to rounding.
        Raises PromptError as `join` does.
        """
        groups: dict[tuple[tuple[int, ...], str | None], list[int]] = {}
        for index, request in enumerate(requests):
            groups.setdefault(_prompt(request), []).append(index)
        done: dict[int, SampledRow] = {}
        adapters = {row.request.adapter for row in self.rows} | {request.adapter for request in requests}

        def step() -> None:
            with self._model.folding({row.request.adapter for row in self.rows} if refold else adapters):
                for row in self.step():
                    if row.finish_reason is not None:
                        ended()

        for indexes in groups.values():
            prefill = self._prefill(requests[indexes[0]])
            for index in indexes:
                while not self.free:
                    step()
                (done[index],) = self._start([requests[index]], prefill)
                if done[index].finish_reason is not None:
                    ended()
        while self.rows:
            step()
        return [done[i] for i in range(len(requests))]

    @torch.inference_mode()
    def score(
        self, prompt_ids: tuple[int, ...], completion_ids: tuple[int, ...], adapter: str | None
    ) -> tuple[float, ...]:
        """Return the logp of each completion token under an adapter (None: the base), by one forward pass."""
        ids = [*prompt_ids, *completion_ids]
        logits = self._model.read(ids[:-1], self._model.cache(), adapter, keep=len(completion_ids))
        logps = torch.log_softmax(logits[0], -1)
        targets = torch.tensor(completion_ids, device=logits.device)
        return tuple(logps.gather(1, targets[:, None])[:, 0].tolist())

    def _prefill(self, request: Request) -> _Prefill:
        self.base.answer_limit(len(request.prompt_ids), request.sampling)  # raises before the expensive work
        cache = self._model.cache()
        return _Prefill(cache, self._model.read(request.prompt_ids, cache, request.adapter)[:, -1])

    def _start(self, requests: Sequence[Request], prefill: _Prefill) -> list[SampledRow]:
        """Create rows from a prefill and sample their first token; unfinished ones take part in later steps."""
        read = prefill.cache.length
        rows = [
            SampledRow(r, self.base.answer_limit(read, r.sampling), prefill.cache.fork(), random.Random(r.seed))
            for r in requests
        ]
        self._draw(rows, prefill.logits.expand(len(rows), -1))
        self.rows += [row for row in rows if row.finish_reason is None]
        return rows

    def _draw(self, rows: Sequence[SampledRow], logits: Tensor) -> None:
        """Sample the next token of every row from logits [B, V], and append it."""
        tokens = draw(
            logits,
            [row.request.sampling for row in rows],
            [(*row.request.prompt_ids, *row.token_ids) for row in rows],
            [row.random.random() for row in rows],
        )
        # logprobs at temperature 1, whatever the sampling parameters
        at = torch.tensor(tokens, device=logits.device)[:, None]
        logprobs = (logits.gather(1, at)[:, 0] - logits.logsumexp(-1)).tolist()
        for row, token, logprob in zip(rows, tokens, logprobs, strict=True):
            row.take(token, logprob, self.base.ends)


def _prompt(request: Request) -> tuple[tuple[int, ...], str | None]:
    """Return what requests must share to use the same prefill."""
    return request.prompt_ids, request.adapter
