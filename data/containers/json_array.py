"""Split the text of a JSON array into its entries, in constant memory.

A streaming parser that builds values would let one bad entry end the file, such as a number with thousands of digits or
a text that is not UTF-8. It would also have to hold an entry in memory to find that it is too long.
"""

import io
import re
from collections.abc import Iterator

from data.containers.byte_stream import too_long
from data.containers.container import Unreadable

_BLOCK = 1 << 18
_TEXT = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
_IN_TEXT = re.compile(_TEXT, re.DOTALL)
# a single " begins a text that does not end in this block
_SIGN = re.compile(rb'"(?:%b")?+|[\[\]{},]' % _TEXT, re.DOTALL)
_SIGNS_WITHIN = re.compile(rb'"(?:%b")?+|[\[{]++|[\]}]++' % _TEXT, re.DOTALL)
_QUOTE, _COMMA, _CLOSE = b'",]'
_OPENING = b"[{"


class BrokenArrayError(Exception):
    """Entries can no longer be told apart from here on; the message says why, not where."""


def begins_array(stream: io.BufferedReader) -> bool:
    """Return whether the first non-blank character is a [, and consume all up to it."""
    while block := stream.peek(1):
        text = block.lstrip()
        stream.read(len(block) - len(text))
        if text:
            return text.startswith(b"[") and bool(stream.read(1))
    return False


def entries(stream: io.BufferedReader, limit: int) -> Iterator[bytes | Unreadable]:
    """Yield the texts of the entries after the [; entries over the limit are skipped and not held in memory.

    Raises BrokenArrayError when the array does not end properly.
    """
    cutter = _Cutter(limit)
    while block := stream.read1(_BLOCK):
        yield from cutter.cut(block)
    if not cutter.ended:
        raise BrokenArrayError("the array is cut off; copy or download the file again")


class _Cutter:
    """The state between two blocks: the nesting depth, whether inside a text, and the current entry so far."""

    def __init__(self, limit: int) -> None:
        self.ended = False
        self._limit = limit
        self._depth = 0
        self._in_text = False
        self._escaped = False
        self._parts: list[bytes] = []
        self._size = 0
        self._any = False

    def cut(self, block: bytes) -> Iterator[bytes | Unreadable]:
        """Yield the entries that end within the next block."""
        begin = at = 0
        while not self.ended:
            if self._in_text:
                at = self._past_text(block, at)
            found = None if self._in_text else (_SIGNS_WITHIN if self._depth else _SIGN).search(block, at)
            if found is None:
                self._keep(block[begin:])
                return
            at = found.end()
            sign = block[at - 1]
            if sign == _QUOTE:
                self._in_text = at - found.start() == 1
            elif sign in _OPENING:
                self._depth += at - found.start()
            elif self._depth:
                at = found.start() + min(self._depth, at - found.start())
                self._depth -= at - found.start()
            else:
                self._keep(block[begin : at - 1])
                begin = at
                yield from self._entry(sign)
        if block[begin:].strip():
            raise BrokenArrayError("more comes after the array; put all rows into one, or a JSON object on each line")

    def _past_text(self, block: bytes, at: int) -> int:
        if self._escaped and at < len(block):
            at, self._escaped = at + 1, False
        found = _IN_TEXT.match(block, at)
        assert found is not None, "the pattern matches nothing, too"
        at = found.end()
        if at < len(block):
            self._in_text = self._escaped = block[at] != _QUOTE
            at += 1
        return at

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._limit:
            self._parts.append(part)
        else:
            self._parts.clear()

    def _entry(self, sign: int) -> Iterator[bytes | Unreadable]:
        if sign not in (_COMMA, _CLOSE):
            raise BrokenArrayError("a } that closes nothing; mend it, or put a JSON object on each line")
        text = b"".join(self._parts).strip()
        long = self._size > self._limit
        self._parts.clear()
        self._size = 0
        self.ended = sign == _CLOSE
        if long:
            yield too_long(self._limit)
        elif text or self._any or not self.ended:
            yield text
        self._any = True
