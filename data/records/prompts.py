"""Prompts, and their split into training and held-out ones."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NotRequired

from typing_extensions import TypedDict


class Message(TypedDict):
    """One turn of a conversation, as chat templates take it.

    reasoning_content: an assistant's reasoning before this answer; only present where the template reads it.
    """

    role: Literal["system", "user", "assistant"]
    content: str
    reasoning_content: NotRequired[str]


class Split(StrEnum):
    """What judgments on a prompt are used for; decided by the prompt's hash, so it never changes."""

    TRAIN = "train"
    HELDOUT = "heldout"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation that ends with a user turn. author_id: the annotator who wrote its last turn, if any."""

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
        """The number of user turns."""
        return sum(message["role"] == "user" for message in self.messages)
