"""Sample answers from several adapters on one sampler, in batches that stay full from the first to the last."""

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from data.records import FinishReason, Message, Sampling
from data.support.repetition import distinct, repetition
from trainer.interface.manifest import Manner
from trainer.model.adapter import Adapter
from trainer.model.base import Base
from trainer.sampling.sampler import Request, SampledRow, Sampler

_MOST_ROWS, _LEAST_ROWS = 32, 8  # SmolLM2 on one core: 32 rows give twice the tokens per second of 8
_CACHE_BYTES = 2 << 30  # for the KV cache of all rows at full length; training used more
_PROMPT_TOKENS = 256  # assumed prompt length for that


class Contenders:
    """Adapters by name on one sampler; None is the base."""

    def __init__(self, base: Base, adapters: Mapping[str, Adapter | None], *, rows: int = _LEAST_ROWS) -> None:
        loaded = {name: adapter for name, adapter in adapters.items() if adapter is not None}
        rank = max((adapter.rank for adapter in loaded.values()), default=1)
        self._base = base
        self._loaded = loaded.keys()
        self._sampler = Sampler(base, max_rows=rows, max_adapters=max(1, len(loaded)), max_rank=rank)
        for name, adapter in loaded.items():
            self._sampler.load(name, adapter)

    def requests(
        self,
        name: str,
        prompts: Sequence[tuple[Message, ...]],
        *,
        count: int,
        max_new_tokens: int | None,
        seed: int,
    ) -> list[Request]:
        """Build requests for `count` answers of one contender at temperature 1; the same prompts for every name.

        Prompts are drawn with replacement; one that leaves no room for an answer is cut from the left.
        """
        plain = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=max_new_tokens)
        readable = [self._base.readable(self._base.encode(prompt)) for prompt in prompts]
        drawn = random.Random(seed).choices(readable, k=count)
        return [Request(prompt, self._adapter(name), seed + i, plain) for i, prompt in enumerate(drawn)]

    def probes(
        self, name: str, prompts: Sequence[tuple[Message, ...]], sampling: Sampling, *, seed: int
    ) -> list[Request]:
        """Build a request per probe for one contender. Raises PromptError for a prompt that leaves no room."""
        return [Request(self._base.prompt_ids(prompt), self._adapter(name), seed, sampling) for prompt in prompts]

    def draw(self, requests: Sequence[Request], ended: Callable[[], None] = lambda: None) -> list[SampledRow]:
        """Sample answers to all requests; those of the same contender are best passed one after the other.

        ended: called for each finished answer.
        """
        return self._sampler.generate(requests, refold=True, ended=ended)

    def manner(self, rows: Sequence[SampledRow]) -> Manner:
        """Return style statistics of answers: words without the reasoning, tokens with it."""
        words = [self.said(row).split() for row in rows]
        return Manner(
            answers=len(rows),
            mean_length=statistics.fmean(len(row.token_ids) for row in rows),
            eos_rate=statistics.fmean(row.finish_reason is FinishReason.STOP for row in rows),
            distinct_1=distinct([word for text in words for word in text]),
            distinct_2=distinct([pair for text in words for pair in pairwise(text)]),
            repetition=statistics.fmean(map(repetition, words)),
        )

    def said(self, row: SampledRow) -> str:
        """Return a row's answer text, without its reasoning."""
        return self._base.read(row.token_ids, prompt_ids=row.request.prompt_ids).text

    def _adapter(self, name: str) -> str | None:
        return name if name in self._loaded else None


def rows_for(base: Base, sampling: Sampling) -> int:
    """Return how many answers to decode in one batch: as many as help, while their KV cache fits beside the model."""
    config = base.model.config.get_text_config()
    heads = getattr(config, "num_attention_heads", None)
    if not heads:
        return _LEAST_ROWS
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    keys = getattr(config, "num_key_value_heads", None) or heads
    a_token = 2 * config.num_hidden_layers * keys * head_dim * base.model.dtype.itemsize
    longest = min(base.context, _PROMPT_TOKENS + (sampling.max_new_tokens or base.longest_answer))
    rows = _MOST_ROWS
    while rows > _LEAST_ROWS and rows * longest * a_token > _CACHE_BYTES:
        rows //= 2
    return rows
