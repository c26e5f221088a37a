"""Completions: what a model sampled, or a person wrote, in answer to a prompt."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class FinishReason(StrEnum):
    """Why sampling ended: the model said so (EOS), or the token limit came first."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a completion is drawn. temperature 0 is greedy; top_p 1 and top_k 0 are the whole distribution.

    repetition_penalty divides the positive logits of ids that stand in the prompt or the answer so far, and
    multiplies the negative ones; 1 leaves them. max_new_tokens None: until the model ends, at most what the model at
    hand is given and its context leaves (trainer.model.base.Base.answer_limit). Raises ValueError for a number that
    makes no sense.
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
    """What a model reasoned before an answer, and how many tokens that took; None: nobody counted."""

    text: str
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class NewCompletion:
    """A sampled answer with all that made it, before it has an id.

    token_ids are the sampled ids, EOS included when finish_reason is STOP; logprobs are those of the
    version that sampled, at temperature 1, one per token id (nats). text is the answer alone; reasoning is what the
    model thought before it and reasoning_tokens how many of the ids that took, None if it gave none.
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
    """A stored completion: sampled by a version, written by a person (author_id), or from a file (neither).

    What was not sampled here has no version, token ids, log-probs, sampling or seed. edits_id is the completion that
    was edited, if a person did not write from nothing; model is what made an answer, as the file says it is from.
    reasoning as NewCompletion has it; its number of tokens may be unknown where it came from a file. prompt_format: the
    sha256 of the format that the model was asked in.
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
        """After how many tokens a limit cut the answer off; None for one that ended by itself."""
        return len(self.token_ids) if self.token_ids and self.finish_reason is FinishReason.LENGTH else None
