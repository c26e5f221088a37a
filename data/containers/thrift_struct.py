"""Read structs in Thrift's compact protocol, keeping the integers of chosen fields.

Files may be malicious: reading is bounded in bytes, in structs and in depth.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Union

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = (*range(1, 11), 12)
# bytes per list entry, for types of fixed size
_WIDTHS = {_TRUE: 1, _FALSE: 1, _BYTE: 1, _DOUBLE: 8}
_LONGEST_VARINT = 10
_DEEPEST = 32

Wanted = Mapping[int, Union["Wanted", None]]
"""The fields to keep; for structs and lists of structs, the fields to keep of each. Other fields are skipped."""


class BrokenStructError(ValueError):
    """The bytes are no valid struct."""

    def __init__(self) -> None:
        super().__init__("what stands there is no struct of Thrift")


class LargeStructError(ValueError):
    """The struct is larger than allowed."""

    def __init__(self) -> None:
        super().__init__("what stands there is too large")


@dataclass(slots=True)
class Struct:
    """The kept fields of a struct by field number: integers, structs, and lists of structs."""

    numbers: dict[int, int] = field(default_factory=dict)
    structs: dict[int, "Struct"] = field(default_factory=dict)
    lists: dict[int, list["Struct"]] = field(default_factory=dict)


def read_struct(file: BinaryIO, wanted: Wanted, most_bytes: int, most_structs: int) -> Struct:
    """Read the struct at the file's position, and leave the file positioned after it.

    Raises BrokenStructError, and LargeStructError when it has more bytes or structs than allowed.
    """
    try:
        return _Reader(file, most_bytes, most_structs).struct(wanted, 0)
    except (OSError, OverflowError) as error:
        raise BrokenStructError from error


class _Reader:
    def __init__(self, file: BinaryIO, most_bytes: int, most_structs: int) -> None:
        self._file = file
        self._bytes = most_bytes
        self._structs = most_structs

    def struct(self, wanted: Wanted | None, depth: int) -> Struct:
        self._structs -= 1
        if self._structs < 0 or depth > _DEEPEST:
            raise LargeStructError
        found = Struct()
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else _signed(self._varint())
            kind = head & 15
            if not wanted or number not in wanted:
                self._pass_over(kind, depth)
            elif kind == _STRUCT:
                found.structs[number] = self.struct(wanted[number], depth + 1)
            elif kind == _LIST:
                found.lists[number] = self._list(wanted[number], depth)
            elif kind in (_I16, _I32, _I64):
                found.numbers[number] = _signed(self._varint())
            else:
                self._pass_over(kind, depth)
        return found

    def _list(self, wanted: Wanted | None, depth: int) -> list[Struct]:
        """Return the structs of a list; none if it holds anything else."""
        kind, length = self._list_head()
        if kind == _STRUCT:
            return [self.struct(wanted, depth + 1) for _ in range(length)]
        self._pass_over_entries(kind, length, depth)
        return []

    def _list_head(self) -> tuple[int, int]:
        head = self._byte()
        return head & 15, head >> 4 if head >> 4 < 15 else self._varint()

    def _pass_over(self, kind: int, depth: int) -> None:
        if kind in (_I16, _I32, _I64):
            self._varint()
        elif kind == _STRUCT:
            self.struct(None, depth + 1)
        elif kind in (_LIST, _SET):
            self._pass_over_entries(*self._list_head(), depth)
        elif kind == _BINARY:
            self._skip(self._varint())
        elif kind in (_BYTE, _DOUBLE):
            self._skip(_WIDTHS[kind])
        elif kind not in (_TRUE, _FALSE):
            raise BrokenStructError

    def _pass_over_entries(self, kind: int, length: int, depth: int) -> None:
        if depth > _DEEPEST:
            raise LargeStructError
        if kind in _WIDTHS:
            # in one step: a seek never fails, and the length may claim any number of entries
            self._skip(_WIDTHS[kind] * length)
            return
        # entries of other types take at least a byte each, so the loop ends with the bytes
        for _ in range(length):
            self._pass_over(kind, depth + 1)

    def _skip(self, length: int) -> None:
        self._count(length)
        self._file.seek(length, io.SEEK_CUR)

    def _varint(self) -> int:
        number = 0
        for place in range(_LONGEST_VARINT):
            byte = self._byte()
            number |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return number
        raise BrokenStructError

    def _byte(self) -> int:
        self._count(1)
        byte = self._file.read(1)
        if not byte:
            raise BrokenStructError
        return byte[0]

    def _count(self, length: int) -> None:
        self._bytes -= length
        if self._bytes < 0:
            raise LargeStructError


def _signed(zigzag: int) -> int:
    return zigzag >> 1 ^ -(zigzag & 1)
