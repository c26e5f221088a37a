"""A judged pair as formats lay it out: its prompt as text or exchanges, its answers as turns, a name. Knows no format.

All functions raise InputError with what cannot be laid out so.
"""

from collections.abc import Sequence
from typing import NamedTuple

from data.errors import InputError
from data.records import Message
from data.records.judged_pair import JudgedPair
from data.support.digests import canonical, sha256


class Exchanges(NamedTuple):
    """A prompt whose turns alternate: system, empty if there is none; question and answer so far; the question."""

    system: str
    history: list[tuple[str, str]]
    question: str


def answer(text: str, reasoning: str | None = None) -> Message:
    """An answer as a turn, with what was reasoned before it where chat templates look for that."""
    turn: Message = {"role": "assistant", "content": text}
    return {**turn, "reasoning_content": reasoning} if reasoning else turn


def answers(pair: JudgedPair) -> tuple[Message, Message]:
    """The chosen and the rejected answer as turns with their reasoning."""
    of_chosen, of_rejected = pair.reasoning
    return answer(pair.chosen, of_chosen), answer(pair.rejected, of_rejected)


def one_text(prompt: Sequence[Message]) -> str:
    """The text of a prompt that is one user turn."""
    if len(prompt) != 1:
        raise InputError(f"the prompt is a text, which can be one user turn; this one has {len(prompt)} turns")
    return prompt[0]["content"]


def exchanges(prompt: Sequence[Message]) -> Exchanges:
    """A prompt whose turns are by user and assistant in turn, after a system message or none."""
    system = prompt[0]["content"] if prompt[0]["role"] == "system" else ""
    turns = prompt[1:] if system else prompt
    if [turn["role"] for turn in turns] != ["user", "assistant"] * (len(turns) // 2) + ["user"]:
        raise InputError("the turns of the prompt do not alternate between user and assistant")
    texts = [turn["content"] for turn in turns]
    return Exchanges(system, list(zip(texts[:-1:2], texts[1::2], strict=True)), texts[-1])


def identity(pair: JudgedPair) -> str:
    """A name for a pair in a file: that of its judgment, or else of all that it says."""
    said = pair.provenance
    try:
        content = canonical([list(pair.prompt), pair.a, pair.b, pair.choice, said.get("annotator")])
        return said.get("judgment") or sha256(content)
    except UnicodeEncodeError as error:
        raise InputError("half a surrogate pair, which is no Unicode text") from error
