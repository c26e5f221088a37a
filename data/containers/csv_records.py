"""Split CSV (RFC 4180) into records of cells, within a limit.

Python's own csv module has one limit of a cell's length for the whole process, raises on longer ones, and continues in
the middle of them.
"""

import io
import re
from collections.abc import Iterator

from data.containers.byte_stream import NOT_UTF8, too_long
from data.containers.container import Unreadable

_BLOCK = 1 << 18
_PLAIN = re.compile(rb"[^,\r\n]*+")
_QUOTED = re.compile(rb'[^"]*+(?:""[^"]*+)*+')
_END = re.compile(rb"\r?\n?\Z")
_STRAY = Unreadable('a quoted cell goes on after its end; write a " within a cell twice')
_OPEN = Unreadable('a quoted cell does not end; write a " behind it')
_RETURN = Unreadable("a line end within a cell without quotes; end lines with \\n or \\r\\n")


def records(stream: io.BufferedReader, limit: int) -> Iterator[tuple[int, list[str] | Unreadable]]:
    """Yield the remaining records with the line, from 1, on which each begins; blank lines are skipped."""
    line = 1
    while True:
        record = _Record(limit)
        lines = record.take(stream)
        if not lines:
            return
        if not record.blank:
            yield line, record.cells()
        line += lines


class _Record:
    """One record, taken line by line; what exceeds the limit is skipped and not held in memory."""

    def __init__(self, limit: int) -> None:
        self.blank = True
        self._limit = limit
        self._size = 0
        self._cells: list[bytes] = []
        self._open: list[bytes] | None = None
        self._wrong: Unreadable | None = None

    def take(self, stream: io.BufferedReader) -> int:
        """Read to the end of the record and return the number of lines, 0 at the end of the file."""
        lines = 0
        while line := stream.readline(self._limit - self._size + 1):
            lines += 1
            self._size += len(line)
            if self._size > self._limit:
                return lines + self._pass_over(line, stream)
            self._parse(line)
            if self._open is None:
                return lines
        if self._open is not None:
            self._wrong = _OPEN
        return lines

    def cells(self) -> list[str] | Unreadable:
        """Return the texts of the cells, or why there are none."""
        if self._wrong is not None:
            return self._wrong
        try:
            return [cell.decode("utf-8") for cell in self._cells]
        except UnicodeDecodeError:
            return Unreadable(NOT_UTF8)

    def _parse(self, line: bytes) -> None:
        """Parse the cells of a line, or the rest of the open cell and the cells after it."""
        if self._open is None and not line.strip(b"\r\n"):
            return
        self.blank = False
        at = 0
        while True:
            if self._open is not None or line.startswith(b'"', at):
                at = self._quoted(line, at)
                if self._open is not None:
                    return
            else:
                at = self._plain(line, at)
            if not line.startswith(b",", at):
                break
            at += 1
        if not _END.match(line, at):
            self._wrong = _RETURN if line.startswith(b"\r", at) else _STRAY

    def _plain(self, line: bytes, at: int) -> int:
        found = _PLAIN.match(line, at)
        assert found is not None, "the pattern matches nothing, too"
        self._cells.append(found.group())
        return found.end()

    def _quoted(self, line: bytes, at: int) -> int:
        if self._open is None:
            self._open = []
            at += 1
        found = _QUOTED.match(line, at)
        assert found is not None, "the pattern matches nothing, too"
        self._open.append(found.group().replace(b'""', b'"'))
        if found.end() < len(line):
            self._cells.append(b"".join(self._open))
            self._open = None
        return found.end() + 1

    def _pass_over(self, piece: bytes, stream: io.BufferedReader) -> int:
        """Skip to the end of the record, judging by the number of quotes; return how many more lines that took."""
        self.blank = False
        self._wrong = too_long(self._limit)
        inside = self._open is not None
        lines = 0
        while piece:
            inside ^= bool(piece.count(b'"') % 2)
            if piece.endswith(b"\n"):
                if not inside:
                    break
                lines += 1
            piece = stream.readline(_BLOCK)
        return lines
