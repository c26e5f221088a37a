"""Prompts, and on which side of the train and held-out split they are."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NotRequired

from typing_extensions import TypedDict


class Message(TypedDict):
    """One turn of a conversation, as chat templates take it.

    reasoning_content: what an assistant reasoned before this answer; there only where the template reads it.
    """

    role: Literal["system", "user", "assistant"]
    content: str
    reasoning_content: NotRequired[str]


class Split(StrEnum):
    """Where the judgments on a prompt go; decided by the prompt's hash, for ever."""

    TRAIN = "train"
    HELDOUT = "heldout"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation that ends with a user turn. author_id: the annotator who wrote its last turn, if one did."""

    id: int
    messages: tuple[Message, ...]
    sha256: str
    split: Split
    source: str
    license: str | None
    created_at: int
    author_id: int | None = None

    @property
    def turns(self) -> int:
        """How often the user speaks."""
        return sum(message["role"] == "user" for message in self.messages)
