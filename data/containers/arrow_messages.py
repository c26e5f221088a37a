"""Find out the unpacked size of compressed batches in an Arrow stream, without unpacking them.

Arrow unpacks a batch as a whole when it reads it, so datasets_directory.py checks this before. The size of each buffer
stands before its data.

https://arrow.apache.org/docs/format/Columnar.html#compression
https://flatbuffers.dev/internals/
"""

from collections.abc import Iterator

import pyarrow as pa

_HEADER = 2
_ROWS_OF_A_DICTIONARY = 1
_BUFFERS, _PACKING = 2, 3
_LONG = 8


def unpacked_sizes(stream: pa.Buffer) -> Iterator[int]:
    """Yield the bytes each batch takes when unpacked, 0 if not compressed. Raises ArrowException if it is no stream."""
    for message in pa.ipc.MessageReader.open_stream(stream):
        if message.type in ("record batch", "dictionary"):
            yield _unpacked(message)


def _unpacked(message: pa.Message) -> int:
    table = _FlatTable(memoryview(message.metadata), 0).table_in(_HEADER)
    if message.type == "dictionary":
        table = table.table_in(_ROWS_OF_A_DICTIONARY)
    if not table.has(_PACKING):
        return 0
    body = memoryview(message.body)
    # the length -1 marks a buffer stored uncompressed
    return sum(max(0, _number(body, begin, _LONG)) for begin in table.places(_BUFFERS) if begin >= 0)


class _FlatTable:
    """A flatbuffer table, at the offset stored at a place. Arrow has already checked that all offsets are valid."""

    def __init__(self, buffer: memoryview, place: int) -> None:
        self._buffer = buffer
        self._begin = place + _number(buffer, place, 4)
        self._fields = self._begin - _number(buffer, self._begin, 4)

    def has(self, field: int) -> bool:
        """Return whether a field is present."""
        return self._offset(field) > 0

    def table_in(self, field: int) -> "_FlatTable":
        """Return the table that a field points to."""
        return _FlatTable(self._buffer, self._begin + self._offset(field))

    def places(self, field: int) -> Iterator[int]:
        """Yield the place of each non-empty buffer in the list of (place, length) that a field points to."""
        place = self._begin + self._offset(field)
        place += _number(self._buffer, place, 4)
        for pair in range(_number(self._buffer, place, 4)):
            at = place + 4 + 2 * _LONG * pair
            if _number(self._buffer, at + _LONG, _LONG):
                yield _number(self._buffer, at, _LONG)

    def _offset(self, field: int) -> int:
        at = 4 + 2 * field
        return _number(self._buffer, self._fields + at, 2) if at < _number(self._buffer, self._fields, 2) else 0


def _number(buffer: memoryview, place: int, length: int) -> int:
    return int.from_bytes(buffer[place : place + length], "little", signed=length > 2)
