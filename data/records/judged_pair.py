"""A judged pair: two answers to one prompt, the choice and its provenance, as it travels between stores and files.

examples.py has what trains; this adds ties and where a choice comes from. Formats read and write it.
"""

from dataclasses import dataclass, field

from typing_extensions import TypedDict

from data.errors import InputError
from data.records import Choice, Message
from data.records.examples import PairExample

SAYABLE = (Choice.A, Choice.B, Choice.TIE, Choice.BOTH_BAD)


class Sampled(TypedDict, total=False):
    """How one answer was made, as far as it is known. logprobs: nats, one per token id.

    reasoning: what the model wrote before its answer, apart from it; reasoning_tokens: the number of its tokens.
    """

    version: str
    finish_reason: str
    sampling: dict[str, float | int]
    seed: int
    token_ids: list[int]
    logprobs: list[float]
    reasoning: str
    reasoning_tokens: int


class Provenance(TypedDict, total=False):
    """Where a judged pair comes from; unknown keys are left out.

    judgment: the digest by which a store recognises a judgment. annotator: a pseudonym. annotators: of all who voted,
    where votes were aggregated. created_at: ISO 8601. shown_first: "a" or "b". a, b: how the answers were made.
    """

    judgment: str
    pair: int
    annotator: str
    annotators: list[str]
    votes: int
    agreement: float
    created_at: str
    elapsed_ms: int
    shown_first: str
    reasons: dict[str, list[str]]
    comment: str
    flag: str
    guideline: str
    purpose: str
    strategy: str
    propensity: float
    split: str
    rounds: list[int]
    source: str
    license: str
    language: str
    a: Sampled
    b: Sampled


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """Two different answers and a choice: a, b, tie or both_bad. strength, 1-3, goes with a and b; None: not given.

    Raises InputError for a prompt that does not end with a user turn, an empty answer, equal answers or a wrong
    strength.
    """

    prompt: tuple[Message, ...]
    a: str
    b: str
    choice: Choice = Choice.A
    strength: float | None = None
    provenance: Provenance = field(default_factory=Provenance, compare=False)

    def __post_init__(self) -> None:
        if self.choice not in SAYABLE:
            raise InputError(f"{self.choice} says nothing of two answers")
        # ties must be valid examples, too
        PairExample(self.prompt, self.chosen, self.rejected, 1.0 if self.strength is None else self.strength)

    @property
    def chosen(self) -> str:
        """The better answer; a if neither is better."""
        return self.b if self.choice is Choice.B else self.a

    @property
    def rejected(self) -> str:
        """The other answer."""
        return self.a if self.choice is Choice.B else self.b

    @property
    def reasoning(self) -> tuple[str | None, str | None]:
        """The reasoning before the chosen and before the rejected answer, where it is known."""
        a, b = self.provenance.get("a", Sampled()), self.provenance.get("b", Sampled())
        of_a, of_b = a.get("reasoning"), b.get("reasoning")
        return (of_b, of_a) if self.choice is Choice.B else (of_a, of_b)
