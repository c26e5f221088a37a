"""Check conversations that are to be prompts, write and read their canonical text, and assign their split."""

import json
from collections.abc import Mapping, Sequence
from typing import Literal

from data.errors import InputError
from data.records import Message, Split
from data.support.digests import canonical

_HASH_RANGE = 16**16


def split_of(sha256: str, heldout_share: float) -> Split:
    """Return the split of a prompt by its digest, which never changes; heldout_share: in 0 to 1."""
    # By the end of the digest: its beginning orders the queue, which would then give one split first.
    return Split.HELDOUT if int(sha256[-16:], 16) < heldout_share * _HASH_RANGE else Split.TRAIN


_ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}


def message(turn: object) -> Message:
    """Return a turn from outside, {role, content} or ShareGPT's {from, value}, as a message. Raises InputError."""
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
    """Return turns as a conversation that can be answered: with text, the last by the user. Raises InputError."""
    messages = tuple(message(turn) for turn in turns)
    if not messages:
        raise InputError("a conversation without a turn")
    if messages[-1]["role"] != "user":
        raise InputError("a conversation ends with a user turn, this one with {role}", role=messages[-1]["role"])
    return messages


def up_to_last_user(turns: Sequence[object]) -> tuple[Message, ...]:
    """Return the conversation up to the last user turn. Raises InputError, also if there is no user turn."""
    messages = [message(turn) for turn in turns]
    while messages and messages[-1]["role"] != "user":
        messages.pop()
    if not messages:
        raise InputError("a conversation without a user turn")
    return tuple(messages)


def spoken(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return a conversation as people see it, without the reasoning before answers."""
    return tuple({"role": turn["role"], "content": turn["content"]} for turn in messages)


def canonical_text(messages: Sequence[Message]) -> str:
    """Return the canonical text of a conversation; its sha256 identifies the prompt."""
    return canonical([dict(turn) for turn in messages])


def messages_in(text: str) -> tuple[Message, ...]:
    """Return the conversation of a canonical text, keys in the usual order (role, content, reasoning_content)."""
    turns: list[Message] = json.loads(text)
    return tuple(_ordered(turn) for turn in turns)


def _ordered(turn: Message) -> Message:
    said: Message = {"role": turn["role"], "content": turn["content"]}
    return {**said, "reasoning_content": turn["reasoning_content"]} if "reasoning_content" in turn else said


def is_unicode(text: str) -> bool:
    """Return whether a text can be encoded as UTF-8; JSON from outside may hold half a surrogate pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
