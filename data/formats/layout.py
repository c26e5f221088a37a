"""Parts of a judged pair that several formats write: prompts as text or exchanges, answers as turns, an identifier.

All functions raise InputError with what cannot be written that way.
"""

from collections.abc import Sequence
from typing import NamedTuple

from data.errors import InputError
from data.records import Message
from data.records.judged_pair import JudgedPair
from data.support.digests import canonical, sha256


class Exchanges(NamedTuple):
    """A prompt with alternating turns: system message (empty if none), earlier questions and answers, the question."""

    system: str
    history: list[tuple[str, str]]
    question: str


def answer(text: str, reasoning: str | None = None) -> Message:
    """Return an answer as a turn, with its reasoning where chat templates look for it."""
    turn: Message = {"role": "assistant", "content": text}
    return {**turn, "reasoning_content": reasoning} if reasoning else turn


def answers(pair: JudgedPair) -> tuple[Message, Message]:
    """Return the chosen and the rejected answer as turns with their reasoning."""
    of_chosen, of_rejected = pair.reasoning
    return answer(pair.chosen, of_chosen), answer(pair.rejected, of_rejected)


def one_text(prompt: Sequence[Message]) -> str:
    """Return the text of a prompt that is a single user turn."""
    if len(prompt) != 1:
        raise InputError(f"the prompt is a text, which can be one user turn; this one has {len(prompt)} turns")
    return prompt[0]["content"]


def exchanges(prompt: Sequence[Message]) -> Exchanges:
    """Split a prompt with alternating user and assistant turns, after an optional system message."""
    system = prompt[0]["content"] if prompt[0]["role"] == "system" else ""
    turns = prompt[1:] if system else prompt
    if [turn["role"] for turn in turns] != ["user", "assistant"] * (len(turns) // 2) + ["user"]:
        raise InputError("the turns of the prompt do not alternate between user and assistant")
    texts = [turn["content"] for turn in turns]
    return Exchanges(system, list(zip(texts[:-1:2], texts[1::2], strict=True)), texts[-1])


def identity(pair: JudgedPair) -> str:
    """Return an identifier for a pair in a file: its judgment's digest, or else one of all that it says."""
    said = pair.provenance
    try:
        content = canonical([list(pair.prompt), pair.a, pair.b, pair.choice, said.get("annotator")])
        return said.get("judgment") or sha256(content)
    except UnicodeEncodeError as error:
        raise InputError("half a surrogate pair, which is no Unicode text") from error
