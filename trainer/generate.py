"""The sampler: rows that join, decode together one token a step, and leave when they are done.

One prefill serves all answers to one prompt. A row's tokens depend only on its prompt, adapter, seed and
sampling parameters, never on its neighbours: every decode step has the same shapes (`max_rows` rows, filler
included), attention runs per row, LoRA in one batched product, and each row draws from a generator of its
own. Knows nothing of threads, requests or versions: app/serving drives it, trainers call `generate`.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from data.errors import ModelError
from data.records import FinishReason, Sampling
from trainer.adapter import Adapter
from trainer.base import Base
from trainer.row_attention import RowCache, register
from trainer.row_lora import RowLora

_PROBE_TOKENS = 16
_PROBE_TOLERANCE = 0.05  # float32 differs by 1e-6 of the largest logit, bfloat16 by about 1e-2
_HEAD = 256  # a nucleus is nearly always narrower; a wider one pays for a full sort


@dataclass(frozen=True, slots=True)
class Request:
    """One answer to draw: prompt ids, adapter name (None: the bare base), seed, how."""

    prompt_ids: tuple[int, ...]
    adapter: str | None
    seed: int
    sampling: Sampling


@dataclass(slots=True, eq=False)
class Row:
    """An answer on its way. logprobs are at temperature 1 under the row's own adapter, in nats."""

    request: Request
    cache: RowCache
    random: random.Random
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None

    def take(self, token: int, logprob: float, eos_ids: frozenset[int]) -> None:
        """Append a sampled token and see whether it was the last."""
        self.token_ids.append(token)
        self.logprobs.append(logprob)
        if token in eos_ids:
            self.finish_reason = FinishReason.STOP
        elif len(self.token_ids) >= self.request.sampling.max_new_tokens:
            self.finish_reason = FinishReason.LENGTH


class Sampler:
    """Decodes up to max_rows answers at once on one frozen model, which it takes over.

    Not thread-safe. After any exception `reset` drops all rows; the model itself holds no state of theirs.
    """

    def __init__(self, base: Base, *, max_rows: int = 8, max_adapters: int = 4, max_rank: int = 16) -> None:
        self.base = base
        self.max_rows = max_rows
        self.rows: list[Row] = []
        self._lora = RowLora(base.model, capacity=max_adapters, max_rank=max_rank)
        self._device = base.model.device
        self._take_over()

    @torch.inference_mode()
    def _take_over(self) -> None:
        """Put the row attention into the model, and see that it answers as before.

        Raises ModelError for a model whose attention is another than the sampler's.
        """
        ids = list(range(_PROBE_TOKENS))
        self.base.model.set_attn_implementation("eager")
        before = self.base.model(torch.tensor([ids], device=self._device), use_cache=False).logits[0, -1].float()
        self.base.model.set_attn_implementation(register())
        after = self._forward([ids], [0], [RowCache(_PROBE_TOKENS)], [None])[0, -1]
        off = float((after - before).abs().max() / before.abs().max().clamp(min=_PROBE_TOLERANCE))
        if not off < _PROBE_TOLERANCE:
            raise ModelError(
                f"model {self.base.name} cannot be sampled: prefloop's decoding differs from its own by {off:.0%}; "
                "its architecture is not supported yet"
            )

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the loaded adapters."""
        return self._lora.names

    @property
    def max_rank(self) -> int:
        """The largest LoRA rank there is room for."""
        return self._lora.max_rank

    @property
    def free(self) -> int:
        """How many more rows may join."""
        return self.max_rows - len(self.rows)

    def load(self, name: str, adapter: Adapter) -> None:
        """Make an adapter usable by name. Raises ValueError for a taken name or no room."""
        self._lora.load(name, adapter)

    def unload(self, name: str) -> None:
        """Forget an adapter. Raises ValueError while a row uses it, KeyError when it is not loaded."""
        if any(row.request.adapter == name for row in self.rows):
            raise ValueError(f"adapter {name} is in use")
        self._lora.unload(name)

    @torch.inference_mode()
    def join(self, requests: Sequence[Request]) -> list[Row]:
        """Start answers to one prompt under one adapter: one prefill, one first token each.

        Raises ValueError when they differ in prompt or adapter, or when there is no room for all.
        """
        first = requests[0]
        if any(r.prompt_ids != first.prompt_ids or r.adapter != first.adapter for r in requests):
            raise ValueError("rows that join together share prompt and adapter")
        if len(requests) > self.free:
            raise ValueError(f"{len(requests)} rows, room for {self.free}")
        longest = max(r.sampling.max_new_tokens for r in requests)
        cache = RowCache(len(first.prompt_ids) + longest)
        logits = self._forward([list(first.prompt_ids)], [0], [cache], [first.adapter])
        caches = [cache, *(cache.fork() for _ in requests[1:])]
        rows = [Row(r, c, random.Random(r.seed)) for r, c in zip(requests, caches, strict=True)]
        self._draw(rows, logits[:, -1].expand(len(rows), -1))
        self.rows += [row for row in rows if row.finish_reason is None]
        return rows

    @torch.inference_mode()
    def step(self) -> list[Row]:
        """Decode one token for every row; returns them all, those that have just finished having left."""
        rows = self.rows
        if not rows:
            return []
        filler = self.max_rows - len(rows)
        logits = self._forward(
            [[row.token_ids[-1]] for row in rows] + [[0]] * filler,
            [row.cache.length for row in rows] + [0] * filler,
            [row.cache for row in rows],
            [row.request.adapter for row in rows] + [rows[0].request.adapter] * filler,
        )
        self._draw(rows, logits[: len(rows), -1])
        self.rows = [row for row in rows if row.finish_reason is None]
        return rows

    def leave(self, row: Row) -> None:
        """Take a row out before its end; nothing happens if it has left already."""
        self.rows = [other for other in self.rows if other is not row]

    def reset(self) -> None:
        """Drop all rows."""
        self.rows = []

    def generate(self, requests: Sequence[Request]) -> list[Row]:
        """Draw all requests to their end, in batches; returns rows in the order of the requests."""
        waiting = list(enumerate(requests))
        done: dict[int, Row] = {}
        while waiting or self.rows:
            while waiting and self.free:
                index, request = waiting.pop(0)
                (done[index],) = self.join([request])
            self.step()
        return [done[i] for i in range(len(requests))]

    @torch.inference_mode()
    def score(
        self, prompt_ids: tuple[int, ...], completion_ids: tuple[int, ...], adapter: str | None
    ) -> tuple[float, ...]:
        """Log-probability of each completion token under an adapter (None: the base), by one forward pass."""
        ids = [*prompt_ids, *completion_ids]
        cache = RowCache(len(ids))
        logits = self._forward([ids[:-1]], [0], [cache], [adapter], keep=len(completion_ids))
        logps = torch.log_softmax(logits[0], -1)
        targets = torch.tensor(completion_ids, device=logits.device)
        return tuple(logps.gather(1, targets[:, None])[:, 0].tolist())

    def _forward(
        self,
        ids: list[list[int]],
        starts: list[int],
        caches: list[RowCache],
        adapters: list[str | None],
        keep: int = 1,
    ) -> Tensor:
        """Run ids [B, T] from positions `starts`; returns float32 logits [B, keep, V] of the last positions."""
        self._lora.use(adapters)
        input_ids = torch.tensor(ids, device=self._device)
        steps = torch.arange(input_ids.shape[1], device=self._device)
        positions = torch.tensor(starts, device=self._device)[:, None] + steps
        out = self.base.model(
            input_ids=input_ids, position_ids=positions, use_cache=False, logits_to_keep=keep, rows=caches
        )
        for cache in caches:
            cache.length += input_ids.shape[1]
        logits: Tensor = out.logits.float()
        return logits

    def _draw(self, rows: Sequence[Row], logits: Tensor) -> None:
        """Sample the next token of every row from logits [B, V] and let each take it."""
        tokens = _sample(logits, [row.request.sampling for row in rows], [row.random.random() for row in rows])
        at = torch.tensor(tokens, device=logits.device)
        logprobs = torch.log_softmax(logits, -1).gather(1, at[:, None])[:, 0].tolist()
        for row, token, logprob in zip(rows, tokens, logprobs, strict=True):
            row.take(token, logprob, self.base.eos_ids)


def _sample(logits: Tensor, samplings: Sequence[Sampling], uniform: Sequence[float]) -> list[int]:
    """One token a row from logits [B, V]: greedy, or by inverse CDF over the nucleus (Holtzman 2020, 1904.09751).

    uniform has one number in [0, 1) a row. Every operation works row by row, so no row sees its neighbours.
    """
    temperature = torch.tensor([s.temperature or 1.0 for s in samplings], device=logits.device)
    top_p = torch.tensor([s.top_p for s in samplings], device=logits.device)
    draw = torch.tensor(uniform, device=logits.device)
    probs = torch.softmax(logits / temperature[:, None], -1)
    values, ids = probs.topk(min(_HEAD, probs.shape[1]))
    tokens = _inverse_cdf(values, ids, top_p, draw)
    greedy = logits.argmax(-1).tolist()
    wide = (values.sum(-1) < top_p).tolist()
    for i, sampling in enumerate(samplings):
        if sampling.temperature == 0:
            tokens[i] = greedy[i]
        elif wide[i]:
            row = slice(i, i + 1)
            tokens[i] = _inverse_cdf(*probs[row].sort(descending=True), top_p[row], draw[row])[0]
    return tokens


def _inverse_cdf(values: Tensor, ids: Tensor, top_p: Tensor, draw: Tensor) -> list[int]:
    """Tokens for probabilities [B, K] that fall, their ids, and per row top_p and a number in [0, 1)."""
    cumulative = values.cumsum(-1)
    # A token is in the nucleus when those above it do not yet hold top_p of the mass; the first always is.
    last = ((cumulative - values) < top_p[:, None]).sum(-1, keepdim=True).clamp(min=1) - 1
    mass = cumulative.gather(1, last)
    drawn = torch.searchsorted(cumulative, draw[:, None] * mass, right=True)
    tokens: list[int] = ids.gather(1, torch.minimum(drawn, last))[:, 0].tolist()
    return tokens
