"""Completions: answers to a prompt, sampled by a version, written by a person or imported."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class FinishReason(StrEnum):
    """Why sampling ended: the model ended its answer (EOS), or the token limit was reached."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters. temperature 0 is greedy; top_p 1 and top_k 0 keep the whole distribution.

    repetition_penalty divides the positive logits of token ids that occur in the prompt or the answer so far, and
    multiplies the negative ones; 1 is off. max_new_tokens None: until the model ends, up to the model's own limit and
    the room left in its context (trainer.model.base.Base.answer_limit). Raises ValueError for a number out of range.
    """

    temperature: float = 0.9
    top_p: float = 0.95
    max_new_tokens: int | None = None
    top_k: int = 0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        limited = self.max_new_tokens is None or self.max_new_tokens > 0
        if not (0 <= self.temperature < math.inf and 0 < self.top_p <= 1 and limited):
            raise ValueError(
                f"temperature {self.temperature} must be at least 0 and finite, top_p {self.top_p} in (0, 1], "
                f"max_new_tokens {self.max_new_tokens} at least 1"
            )
        if not (self.top_k >= 0 and 0 < self.repetition_penalty < math.inf):
            raise ValueError(
                f"top_k {self.top_k} must be at least 0 (0: off), "
                f"repetition_penalty {self.repetition_penalty} above 0 and finite"
            )


class Thought(NamedTuple):
    """The reasoning before an answer, and its number of tokens, None if that was not counted."""

    text: str
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class NewCompletion:
    """A sampled answer with everything that made it, before it is stored and has an id.

    token_ids are the sampled ids, EOS included when finish_reason is STOP; logprobs are those of the
    version that sampled, at temperature 1, one per token id (nats). text is the answer alone; reasoning is the text the
    model wrote before it and reasoning_tokens the number of its ids, None if there was none.
    """

    version: str
    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: FinishReason
    sampling: Sampling
    seed: int
    reasoning: str | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A stored completion: sampled by a version, written by a person (author_id), or imported (neither).

    Only sampled ones have a version, token ids, log-probabilities, sampling and seed. edits_id: the completion that a
    person edited to write this one, if any. model: what made an imported answer, as the file says. reasoning: as in
    NewCompletion; its number of tokens may be unknown if imported. prompt_format: the sha256 of the format in which the
    model was prompted.
    """

    id: int
    prompt_id: int
    version: str | None
    text: str
    token_ids: tuple[int, ...] | None
    logprobs: tuple[float, ...] | None
    finish_reason: FinishReason
    sampling: Sampling | None
    seed: int | None
    created_at: int
    author_id: int | None = None
    edits_id: int | None = None
    model: str | None = None
    reasoning: str | None = None
    reasoning_tokens: int | None = None
    prompt_format: str | None = None

    @property
    def thought(self) -> Thought | None:
        """The reasoning with its number of tokens, if there is any."""
        return None if self.reasoning is None else Thought(self.reasoning, self.reasoning_tokens)

    @property
    def cut_off_after(self) -> int | None:
        """The number of tokens after which a limit cut the answer off; None for one that ended by itself."""
        return len(self.token_ids) if self.token_ids and self.finish_reason is FinishReason.LENGTH else None
