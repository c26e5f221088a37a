"""A row of somebody's dataset: its cells, checked. Knows no format, only what a prompt and an answer look like.

All functions raise InputError with a reason that names the cell.
"""

from collections.abc import Mapping, Sequence

from data.conversations import conversation, message
from data.errors import InputError
from data.records import Message

Row = Mapping[str, object]

_KINDS = {str: "a text", list: "a list", dict: "an object", bool: "true or false", type(None): "null"}


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    return _KINDS.get(type(value), "a number")


def text(row: Row, key: str) -> str:
    """A text, exactly as it stands."""
    value = _cell(row, key)
    if not isinstance(value, str):
        raise InputError(f"{key} is {kind(value)}, not a text")
    return value


def optional_text(row: Row, key: str) -> str:
    """A text, empty when the cell is missing or null, as `datasets` fills gaps."""
    return text(row, key) if row.get(key) is not None else ""


def turns(row: Row, key: str) -> list[Message]:
    """A list of turns with text."""
    value = _cell(row, key)
    if not isinstance(value, list):
        raise InputError(f"{key} is {kind(value)}, not a list of turns")
    return _messages(key, value)


def prompt(row: Row, key: str) -> tuple[Message, ...]:
    """A conversation that ends with a user turn; a text is one user turn."""
    value = _cell(row, key)
    return ask(key, [{"role": "user", "content": value}] if isinstance(value, str) else turns(row, key))


def ask(key: str, messages: Sequence[object], system: str = "") -> tuple[Message, ...]:
    """The turns as a prompt, after a system message if one is given and the turns do not begin with their own."""
    try:
        said = conversation(messages)
        if system and said[0]["role"] != "system":
            said = (message({"role": "system", "content": system}), *said)
    except InputError as error:
        raise InputError(f"{key}: {error}") from error
    return said


def answer(row: Row, key: str) -> str:
    """The text of an answer: a text, an assistant turn, or a list of just that."""
    value = _cell(row, key)
    if isinstance(value, list):
        if len(value) != 1:
            raise InputError(f"{key} has {len(value)} turns; an answer is one assistant turn")
        value = value[0]
    return spoken(key, {"role": "assistant", "content": value} if isinstance(value, str) else value)


def spoken(key: str, turn: object) -> str:
    """What the assistant says in a turn."""
    content = turn.get("content", turn.get("value")) if isinstance(turn, Mapping) else None
    if isinstance(content, str) and not content.strip():
        raise InputError(f"{key} is empty")
    [said] = _messages(key, [turn])
    if said["role"] != "assistant":
        raise InputError(f"{key} is said by {said['role']}, not by the assistant")
    return said["content"]


def label(row: Row, key: str) -> bool:
    """Good or bad; numbers are not guessed at."""
    value = _cell(row, key)
    if not isinstance(value, bool):
        raise InputError(f"{key} is {kind(value)}, neither true nor false")
    return value


def _cell(row: Row, key: str) -> object:
    if key not in row:
        raise InputError(f"{key} is missing")
    return row[key]


def _messages(key: str, values: Sequence[object]) -> list[Message]:
    try:
        return [message(value) for value in values]
    except InputError as error:
        raise InputError(f"{key}: {error}") from error
