"""Adapters side by side on one sampler: what each answers, and how likely each finds another's answers.

Knows nothing of which of them is better.
"""

import random
import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise

from data.records import FinishReason, Message, Sampling
from data.repetition import distinct, repetition
from trainer.adapter import Adapter
from trainer.base import Base
from trainer.generate import Request, Row, Sampler
from trainer.manifest import Manner

SAMPLES = 64


class Contenders:
    """Adapters by name; None is the bare base."""

    def __init__(self, base: Base, adapters: Mapping[str, Adapter | None]) -> None:
        loaded = {name: adapter for name, adapter in adapters.items() if adapter is not None}
        rank = max((adapter.rank for adapter in loaded.values()), default=1)
        self._base = base
        self._loaded = loaded.keys()
        self._sampler = Sampler(base, max_adapters=max(1, len(loaded)), max_rank=rank)
        for name, adapter in loaded.items():
            self._sampler.load(name, adapter)

    def samples(
        self, name: str, prompts: Sequence[tuple[Message, ...]], *, max_new_tokens: int | None, seed: int
    ) -> list[Row]:
        """Answers of one at temperature 1, to prompts drawn with replacement: the same for every name.

        A prompt that leaves no room for an answer is cut from the left.
        """
        plain = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=max_new_tokens)
        readable = [self._base.readable(self._base.encode(prompt)) for prompt in prompts]
        drawn = random.Random(seed).choices(readable, k=SAMPLES)
        return self._sampler.generate(
            [Request(prompt, self._adapter(name), seed + i, plain) for i, prompt in enumerate(drawn)]
        )

    def answers(self, name: str, prompts: Sequence[tuple[Message, ...]], sampling: Sampling, *, seed: int) -> list[str]:
        """One answer of one to each prompt. Raises PromptError for a prompt that leaves no room for it."""
        ids = [self._base.prompt_ids(prompt) for prompt in prompts]
        rows = self._sampler.generate([Request(prompt, self._adapter(name), seed, sampling) for prompt in ids])
        return [self._said(row) for row in rows]

    def log_ratios(self, rows: Sequence[Row], name: str) -> list[float]:
        """log pi - log pi_name of each answer in nats, where pi drew it: their mean is KL(pi || pi_name)."""
        return [sum(row.logprobs) - sum(self._score(row, name)) for row in rows]

    def manner(self, rows: Sequence[Row]) -> Manner:
        """How answers are, whatever they say: in words without their reasoning, in tokens with it."""
        words = [self._said(row).split() for row in rows]
        return Manner(
            answers=len(rows),
            mean_length=statistics.fmean(len(row.token_ids) for row in rows),
            eos_rate=statistics.fmean(row.finish_reason is FinishReason.STOP for row in rows),
            distinct_1=distinct([word for text in words for word in text]),
            distinct_2=distinct([pair for text in words for pair in pairwise(text)]),
            repetition=statistics.fmean(map(repetition, words)),
        )

    def _said(self, row: Row) -> str:
        """The answer of a row, without its reasoning."""
        return self._base.read(row.token_ids, prompt_ids=row.request.prompt_ids).text

    def _score(self, row: Row, name: str) -> tuple[float, ...]:
        return self._sampler.score(row.request.prompt_ids, tuple(row.token_ids), self._adapter(name))

    def _adapter(self, name: str) -> str | None:
        return name if name in self._loaded else None
