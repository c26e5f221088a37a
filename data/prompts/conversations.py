"""What makes a conversation a prompt, and its canonical text. Knows nothing of files or tables."""

import json
from collections.abc import Mapping, Sequence
from typing import Literal

from data.errors import InputError
from data.records import Message, Split
from data.support.digests import canonical

_HASH_RANGE = 16**16


def split_of(sha256: str, heldout_share: float) -> Split:
    """The split of a prompt by its digest, for a share of held-out prompts in 0 to 1."""
    # The digest's end decides, because its beginning orders the queue: one would otherwise sort the other.
    return Split.HELDOUT if int(sha256[-16:], 16) < heldout_share * _HASH_RANGE else Split.TRAIN


_ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}


def message(turn: object) -> Message:
    """A turn from outside: {role, content}, or ShareGPT's {from, value}. Raises InputError."""
    if not isinstance(turn, Mapping):
        raise InputError(f"a turn is an object with role and content, not {type(turn).__name__}")
    role, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
    if not isinstance(role, str) or role not in _ROLES:
        raise InputError(f"role {role!r:.40} is none of system, user, assistant")
    if not isinstance(content, str) or not content.strip():
        raise InputError("a {role} turn without text", role=role)
    if not is_unicode(content):
        raise InputError("a {role} turn with half a surrogate pair, which is no Unicode text", role=role)
    return {"role": _ROLES[role], "content": content}


def conversation(turns: Sequence[object]) -> tuple[Message, ...]:
    """A conversation that can be answered: turns with text, the last by the user. Raises InputError."""
    messages = tuple(message(turn) for turn in turns)
    if not messages:
        raise InputError("a conversation without a turn")
    if messages[-1]["role"] != "user":
        raise InputError("a conversation ends with a user turn, this one with {role}", role=messages[-1]["role"])
    return messages


def up_to_last_user(turns: Sequence[object]) -> tuple[Message, ...]:
    """The conversation without what was answered last. Raises InputError, also if no user speaks."""
    messages = [message(turn) for turn in turns]
    while messages and messages[-1]["role"] != "user":
        messages.pop()
    if not messages:
        raise InputError("a conversation without a user turn")
    return tuple(messages)


def spoken(messages: Sequence[Message]) -> tuple[Message, ...]:
    """A conversation as people see it: what was said, without what was reasoned before it."""
    return tuple({"role": turn["role"], "content": turn["content"]} for turn in messages)


def canonical_text(messages: Sequence[Message]) -> str:
    """The one text of a conversation; its sha256 is the prompt's."""
    return canonical([dict(turn) for turn in messages])


def messages_in(text: str) -> tuple[Message, ...]:
    """The conversation of a canonical text, its keys in the order that people write them."""
    turns: list[Message] = json.loads(text)
    return tuple(_ordered(turn) for turn in turns)


def _ordered(turn: Message) -> Message:
    said: Message = {"role": turn["role"], "content": turn["content"]}
    return {**said, "reasoning_content": turn["reasoning_content"]} if "reasoning_content" in turn else said


def is_unicode(text: str) -> bool:
    """Whether a text can be encoded: JSON from outside may hold half a surrogate pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
