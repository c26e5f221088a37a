"""Count the rows that begin in a page of a list column, from the repetition levels before its values.

https://github.com/apache/parquet-format/blob/master/Encodings.md#run-length-encoding--bit-packing-hybrid-rle--3
"""

import numpy as np

_GROUPS_AT_ONCE = 8192


def rows_begun(levels: memoryview, deepest: int, values: int) -> int:
    """Return how many of the repetition levels of so many values are 0. Raises ValueError for truncated levels."""
    width = deepest.bit_length()
    rows = at = 0
    while values > 0:
        head, at = _varint(levels, at)
        if head & 1:
            length = (head >> 1) * width
            if not length:
                raise ValueError("a run of levels has none")
            rows += _zeros(levels[at : at + length], width, values)
            values -= (head >> 1) * 8
        else:
            length = (width + 7) // 8
            run = min(head >> 1, values)
            if not run or at + length > len(levels):
                raise ValueError("the levels break off")
            rows += 0 if any(levels[at : at + length]) else run
            values -= run
        at += length
    return rows


def _zeros(packed: memoryview, width: int, most: int) -> int:
    """Return how many of at most so many bit-packed numbers are 0; missing ones do not count."""
    zeros = 0
    for begin in range(0, len(packed), _GROUPS_AT_ONCE * width):
        bits = np.unpackbits(
            np.frombuffer(packed[begin : begin + _GROUPS_AT_ONCE * width], np.uint8), bitorder="little"
        )
        numbers = bits[: len(bits) // width * width].reshape(-1, width)[:most]
        zeros += int(len(numbers) - np.count_nonzero(numbers.any(axis=1)))
        most -= len(numbers)
        if most <= 0:
            break
    return zeros


def _varint(levels: memoryview, at: int) -> tuple[int, int]:
    number = 0
    for place in range(5):
        if at >= len(levels):
            break
        byte = levels[at]
        at += 1
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, at
    raise ValueError("the levels break off")
