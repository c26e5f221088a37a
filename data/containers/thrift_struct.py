"""Structs as Thrift's compact protocol writes them, with their whole numbers. Knows nothing of what these mean.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

import io
from dataclasses import dataclass, field
from typing import BinaryIO

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = (*range(1, 11), 12)
_LONGEST_VARINT = 10


class BrokenStructError(ValueError):
    """There is no struct."""

    def __init__(self) -> None:
        super().__init__("what stands there is no struct of Thrift")


@dataclass(slots=True)
class Struct:
    """The whole numbers of a struct, the structs in it and its lists of structs, each by field; nothing else of it."""

    numbers: dict[int, int] = field(default_factory=dict)
    structs: dict[int, "Struct"] = field(default_factory=dict)
    lists: dict[int, list["Struct"]] = field(default_factory=dict)


def read_struct(file: BinaryIO) -> Struct:
    """The struct that begins where the file stands, which then stands behind it. Raises BrokenStructError."""
    try:
        return _struct(file)
    except (OSError, OverflowError, RecursionError) as error:
        raise BrokenStructError from error


def _struct(file: BinaryIO) -> Struct:
    found = Struct()
    number = 0
    while head := _byte(file):
        number = number + (head >> 4) if head >> 4 else _signed(_varint(file))
        kind = head & 15
        if kind == _STRUCT:
            found.structs[number] = _struct(file)
        elif kind == _LIST:
            found.lists[number] = _list(file)
        elif kind in (_I16, _I32, _I64):
            found.numbers[number] = _signed(_varint(file))
        else:
            _pass_over(file, kind)
    return found


def _list(file: BinaryIO) -> list[Struct]:
    """The structs of a list; none of one that has others in it."""
    head = _byte(file)
    kind, length = head & 15, head >> 4 if head >> 4 < 15 else _varint(file)
    structs = []
    for _ in range(length):
        if kind == _STRUCT:
            structs.append(_struct(file))
        else:
            _pass_over(file, _BYTE if kind in (_TRUE, _FALSE) else kind)
    return structs


def _pass_over(file: BinaryIO, kind: int) -> None:
    if kind in (_I16, _I32, _I64):
        _varint(file)
    elif kind == _STRUCT:
        _struct(file)
    elif kind in (_LIST, _SET):
        _list(file)
    elif kind == _BINARY:
        file.seek(_varint(file), io.SEEK_CUR)
    elif kind in (_BYTE, _DOUBLE):
        file.seek(1 if kind == _BYTE else 8, io.SEEK_CUR)
    elif kind not in (_TRUE, _FALSE):
        raise BrokenStructError


def _varint(file: BinaryIO) -> int:
    number = 0
    for place in range(_LONGEST_VARINT):
        byte = _byte(file)
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number
    raise BrokenStructError


def _signed(zigzag: int) -> int:
    return zigzag >> 1 ^ -(zigzag & 1)


def _byte(file: BinaryIO) -> int:
    byte = file.read(1)
    if not byte:
        raise BrokenStructError
    return byte[0]
