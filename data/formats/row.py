"""Check and read the cells of a dataset row, for all formats.

All functions raise InputError with a reason that names the cell.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from data.errors import InputError
from data.prompts.conversations import conversation, is_unicode, message
from data.records import Message
from data.records.examples import RatedExample

FileRow = Mapping[str, object]

_NOT_TEXT = ("images", "videos", "audios", "tools")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", re.ASCII)
_KINDS = {str: "a text", list: "a list", dict: "an object", bool: "true or false", type(None): "null"}


def kind(value: object) -> str:
    """Return the type of a JSON value, in words."""
    return _KINDS.get(type(value), "a number")


def text(row: FileRow, key: str) -> str:
    """Return a text, unchanged."""
    value = _cell(row, key)
    if not isinstance(value, str):
        raise InputError(f"{key} is {kind(value)}, not a text")
    return value


def optional_text(row: FileRow, key: str) -> str:
    """Return a text, empty when the cell is missing or null, as `datasets` fills gaps."""
    return text(row, key) if row.get(key) is not None else ""


def told(row: FileRow, key: str) -> str:
    """Return the text of a cell that is not part of the pair; empty for anything but text."""
    value = row.get(key)
    return value if isinstance(value, str) and is_unicode(value) else ""


def turns(row: FileRow, key: str) -> list[Message]:
    """Return a list of turns with text."""
    value = _cell(row, key)
    if not isinstance(value, list):
        raise InputError(f"{key} is {kind(value)}, not a list of turns")
    return _messages(key, value)


def prompt(row: FileRow, key: str) -> tuple[Message, ...]:
    """Return a conversation that ends with a user turn, after the `system` column's text; a text is one user turn."""
    value = _cell(row, key)
    asked = [{"role": "user", "content": value}] if isinstance(value, str) else turns(row, key)
    return ask(key, asked, system(row))


def system(row: FileRow) -> str:
    """Return the system message from its own column; empty if there is none."""
    return optional_text(row, "system")


def margin(row: FileRow) -> float | None:
    """Return by how much the chosen answer is better, 1-3; None if it is no number or on another scale."""
    if not is_number(row.get("margin")):
        return None
    said = number(row, "margin")
    return said if 1 <= said <= 3 else None


def assert_text_only(row: FileRow) -> None:
    """Raise InputError for images and the like, which a text model cannot read; without them it is another prompt."""
    for key in _NOT_TEXT:
        if row.get(key):
            raise InputError(f"it has {key}, and only text can be read")


def ask(key: str, messages: Sequence[object], before: str = "") -> tuple[Message, ...]:
    """Return the turns as a prompt, after the system message given, unless the turns begin with their own."""
    try:
        said = conversation(messages)
        if before and said[0]["role"] != "system":
            said = (message({"role": "system", "content": before}), *said)
    except InputError as error:
        raise InputError(f"{key}: {error}") from error
    return said


def answer(row: FileRow, key: str) -> str:
    """Return the text of an answer, given as text, as an assistant turn, or as a list with one."""
    value = _cell(row, key)
    if isinstance(value, list):
        if len(value) != 1:
            raise InputError(f"{key} has {len(value)} turns; an answer is one assistant turn")
        value = value[0]
    return spoken(key, {"role": "assistant", "content": value} if isinstance(value, str) else value)


def spoken(key: str, turn: object) -> str:
    """Return the text of an assistant turn."""
    content = turn.get("content", turn.get("value")) if isinstance(turn, Mapping) else None
    if isinstance(content, str) and not content.strip():
        raise InputError(f"{key} is empty")
    [said] = _messages(key, [turn])
    if said["role"] != "assistant":
        raise InputError(f"{key} is said by {said['role']}, not by the assistant")
    return said["content"]


class Parted(NamedTuple):
    """The common prompt of two conversations, and the one answer that follows in each."""

    prompt: tuple[Message, ...]
    one: str
    other: str


def parted(keys: tuple[str, str], one: Sequence[Message], other: Sequence[Message], *, before: str = "") -> Parted:
    """Split two conversations, from the cells with these keys, that share all but the last answer."""
    if one == other:
        raise InputError(f"{keys[0]} and {keys[1]} are the same")
    begin = shared(one, other)
    if not begin:
        raise InputError(f"{keys[0]} and {keys[1]} share no prompt")
    prompt = ask("the prompt", one[:begin], before)
    return Parted(prompt, _last(keys[0], one, begin), _last(keys[1], other, begin))


def shared(one: Sequence[object], other: Sequence[object]) -> int:
    """Return the number of turns, or characters, that both begin with."""
    both = enumerate(zip(one, other, strict=False))
    return next((index for index, (mine, yours) in both if mine != yours), min(len(one), len(other)))


def _last(key: str, turns: Sequence[Message], begin: int) -> str:
    if len(turns) != begin + 1:
        raise InputError(f"{key} has {len(turns) - begin} turns after the shared prompt, not one answer")
    return spoken(key, turns[-1])


def rated(row: FileRow, key: str, good: str) -> RatedExample:
    """Return a conversation whose last turn is an answer, with its label."""
    said = turns(row, key)
    if not said:
        raise InputError(f"{key} is empty")
    return RatedExample(
        prompt=ask(f"{key} before the last", said[:-1], system(row)),
        completion=spoken(f"the last of {key}", said[-1]),
        desirable=label(row, good),
    )


def entry(row: FileRow, key: str) -> FileRow:
    """Return an object inside an object."""
    value = _cell(row, key)
    if not isinstance(value, Mapping):
        raise InputError(f"{key} is {kind(value)}, not an object")
    return value


def label(row: FileRow, key: str) -> bool:
    """Return a label, true (good) or false (bad); numbers are not accepted."""
    value = _cell(row, key)
    if not isinstance(value, bool):
        raise InputError(f"{key} is {kind(value)}, neither true nor false")
    return value


def is_number(value: object) -> bool:
    """Return whether a value is a number, or text of one, as in CSV files; true and false are not."""
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(row: FileRow, key: str) -> float:
    """Return a number, also from text."""
    value = _cell(row, key)
    if not isinstance(value, int | float | str) or not is_number(value):
        raise InputError(f"{key} is {kind(value)}, not a number")
    return float(value) if isinstance(value, str) else value


def _cell(row: FileRow, key: str) -> object:
    if key not in row:
        raise InputError(f"{key} is missing")
    return row[key]


def _messages(key: str, values: Sequence[object]) -> list[Message]:
    try:
        return [message(value) for value in values]
    except InputError as error:
        raise InputError(f"{key}: {error}") from error
