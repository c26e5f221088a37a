"""Reads prompts from a file somebody brings. Knows nothing of where they go.

`.jsonl`: a JSON object a line. `.json`: an array of such objects (or, as some write it, one a line).
An object has `prompt` (a text or a list of turns), `messages` or `conversations` (ShareGPT). Any other
file: a prompt a line.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from data.conversations import up_to_last_user
from data.errors import InputError
from data.records import Message

_KEYS = ("prompt", "messages", "conversations")


def read_prompts(path: Path) -> list[list[Message]]:
    """The conversations of a file, each up to and including its last user turn.

    Raises InputError with the file, the line (or the place in the array) and the reason.
    """
    return prompts_in(_text(path), path)


def prompts_in(text: str, name: Path) -> list[list[Message]]:
    """The conversations in the text of a file of that name, as read_prompts has them. Raises InputError."""
    if name.suffix == ".json" and text.lstrip().startswith("["):
        entries: Iterator[tuple[str, object]] = _array(name, text)
    elif name.suffix in (".json", ".jsonl", ".ndjson"):
        entries = _json_lines(name, text)
    else:
        entries = ((place, {"prompt": line.strip()}) for place, line in _lines(name, text))
    prompts = [_conversation(place, entry) for place, entry in entries]
    if not prompts:
        raise InputError(f"{name} holds no prompt; put one a line")
    return prompts


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: not UTF-8; save the file as UTF-8") from error


def _lines(path: Path, text: str) -> Iterator[tuple[str, str]]:
    # Not splitlines(): JSON may hold other line separators, such as U+2028, within a string.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", line


def _json_lines(path: Path, text: str) -> Iterator[tuple[str, object]]:
    for place, line in _lines(path, text):
        yield place, _json(place, line)


def _array(path: Path, text: str) -> Iterator[tuple[str, object]]:
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: no JSON: {error.msg}") from error
    except RecursionError as error:
        raise InputError(f"{path}: JSON nested too deeply") from error
    for number, entry in enumerate(entries, 1):
        yield f"{path}, entry {number}", entry


def _json(place: str, line: str) -> object:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{place}: no JSON: {error.msg}") from error
    except RecursionError as error:
        raise InputError(f"{place}: JSON nested too deeply") from error


def _conversation(place: str, entry: object) -> list[Message]:
    try:
        return list(up_to_last_user(_turns(entry)))
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def _turns(entry: object) -> list[object]:
    if not isinstance(entry, Mapping):
        raise InputError(f"expected an object with prompt, messages or conversations, not {entry!r:.40}")
    key = next((key for key in _KEYS if key in entry), None)
    if key is None:
        raise InputError("the object has none of prompt, messages and conversations")
    turns = entry[key]
    if isinstance(turns, str) and key == "prompt":
        return [{"role": "user", "content": turns}]
    if not isinstance(turns, list):
        raise InputError(f"{key} is no list of turns")
    return turns
