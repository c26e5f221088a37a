"""Read prompts from a file: a container of rows, or plain text with a prompt per line.

A row has `prompt` (a text or a list of turns), `messages` or `conversations` (ShareGPT). `system` may hold the system
message.
"""

import codecs
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from data.containers import byte_stream, csv_rows, jsonl, registry
from data.containers.byte_stream import NOT_UTF8, Opener
from data.containers.container import FileLimits, Numbered, Unreadable
from data.errors import InputError
from data.formats import row as cells
from data.formats.row import FileRow
from data.prompts.conversations import message, up_to_last_user
from data.records import Message

Conversation = list[Message]
NumberedPrompt = tuple[int, Conversation | Unreadable]
"""A prompt's number in the file's unit, from 1, and its turns or why there are none."""

_KEYS = ("prompt", "messages", "conversations")
_LIMITS = FileLimits()
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def prompt_rows(path: Path, limits: FileLimits = _LIMITS) -> tuple[str, Iterator[NumberedPrompt]]:
    """Return the unit that rows are counted by ("line") and the conversations, each up to its last user turn.

    In constant memory. Raises InputError, at once or while iterating, when the rest cannot be read.
    """
    container = registry.find(path)
    if container is not None:
        return _conversations(container.read(path, limits))
    return _conversations(_text_rows(partial(byte_stream.opened, path, limits), limits))


def read_prompts(path: Path) -> list[Conversation]:
    """Return all conversations of a file, as prompt_rows reads them.

    Raises InputError with the file, the line (or entry, or row) and the reason, even if only one is bad.
    """
    return _all(path, *prompt_rows(path))


def prompts_in(text: str, name: Path) -> list[Conversation]:
    """Return the conversations in the text of a file of that name, as read_prompts does. Raises InputError."""
    opener = partial(_stream, text, name)
    if jsonl.JSONL.opens(name):
        rows = jsonl.rows(name, opener, _LIMITS)
    elif csv_rows.CSV.opens(name):
        rows = csv_rows.rows(name, opener, _LIMITS)
    else:
        rows = _text_rows(opener, _LIMITS)
    return _all(name, *_conversations(rows))


def _stream(text: str, name: Path) -> io.BufferedReader:
    # half a surrogate pair, which JSON may hold, is then reported as invalid UTF-8
    return byte_stream.within(name, io.BytesIO(text.encode("utf-8", "surrogatepass")), _LIMITS)


def _all(name: Path, unit: str, rows: Iterator[NumberedPrompt]) -> list[Conversation]:
    prompts = []
    for number, prompt in rows:
        if isinstance(prompt, Unreadable):
            raise InputError(f"{name}, {unit} {number}: {prompt.reason}")
        prompts.append(prompt)
    if not prompts:
        raise InputError(f"{name} holds no prompt; put one a line")
    return prompts


def _text_rows(opener: Opener, limits: FileLimits) -> tuple[str, Iterator[Numbered]]:
    with opener():  # raises at once if it cannot be opened
        return "line", _lines(opener, limits)


def _lines(opener: Opener, limits: FileLimits) -> Iterator[Numbered]:
    with opener() as stream:
        for number, line in byte_stream.lines(stream, limits.row):
            if isinstance(line, Unreadable):
                yield number, line
                continue
            if number == 1 and line.startswith(_UTF_16):
                yield number, Unreadable("UTF-16, whose lines cannot be told apart here; save the file as UTF-8")
                return
            if b"\0" in line:
                yield number, Unreadable(f"NUL, which is in no text; it may be UTF-16 and {NOT_UTF8}")
                continue
            try:
                prompt = line.decode("utf-8").strip()
            except UnicodeDecodeError:
                yield number, Unreadable(NOT_UTF8)
            else:
                if prompt:
                    yield number, {"prompt": prompt}


def _conversations(counted: tuple[str, Iterator[Numbered]]) -> tuple[str, Iterator[NumberedPrompt]]:
    unit, rows = counted
    return unit, ((number, _conversation(row)) for number, row in rows)


def _conversation(row: object) -> Conversation | Unreadable:
    if isinstance(row, Unreadable):
        return row
    if not isinstance(row, Mapping):
        return Unreadable(f"expected an object with prompt, messages or conversations, not {cells.kind(row)}")
    try:
        return list(_told(row, up_to_last_user(_turns(row))))
    except InputError as error:
        return Unreadable(str(error))


def _told(row: FileRow, turns: Sequence[Message]) -> Sequence[Message]:
    """Return the turns after the system message of the row's own column, unless they begin with one."""
    before = cells.system(row)
    if not before or turns[0]["role"] == "system":
        return turns
    return [message({"role": "system", "content": before}), *turns]


def _turns(row: FileRow) -> list[object]:
    cells.assert_text_only(row)
    # rows of tables have every column, null where there is no value
    key = next((key for key in _KEYS if row.get(key) is not None), None)
    if key is None:
        raise InputError("the object has none of prompt, messages and conversations")
    turns = row[key]
    if isinstance(turns, str) and key == "prompt":
        return [{"role": "user", "content": turns}]
    if not isinstance(turns, list):
        raise InputError(f"{key} is no list of turns")
    return turns
