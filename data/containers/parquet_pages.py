"""Find out how much of a Parquet file Arrow will unpack at once, from the headers of its pages.

The footer has only sums, and a page is unpacked as a whole, so only page headers tell the memory needed beforehand.
A page states its number of values, which equals that of rows only where no column is a list; else its levels tell where
rows begin. Arrow could read the footer, too, but aborts the process on some damaged ones.

https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from data.containers.byte_stream import size
from data.containers.parquet_levels import rows_begun
from data.containers.thrift_struct import LargeStructError, Struct, read_struct
from data.errors import InputError

MOST_HELD = 256_000_000
_LONGEST_FOOTER = 16_000_000
_MOST_IN_FOOTER = 500_000
_LONGEST_HEADER = 1_000_000
_MOST_IN_HEADER = 1_000
_MARK = 8
# bytes Arrow holds per value of a list, even if it takes none in the page: two levels and an index
_HELD_BY_VALUE = 8
# field numbers from the Thrift file named above
_ROW_GROUPS, _COLUMNS, _META_DATA = 4, 1, 3
_CODEC, _LENGTH, _FIRST_PAGE, _DICTIONARY = 4, 7, 9, 11
_KIND, _UNPACKED, _PACKED, _PAGE, _PAGE_V2, _VALUES = 1, 2, 3, 5, 8, 1
_LEVELS_ARE, _LEVELS_LENGTH = 4, 6
_CHUNK = dict.fromkeys((_CODEC, _LENGTH, _FIRST_PAGE, _DICTIONARY))
_FOOTER = {_ROW_GROUPS: {_COLUMNS: {_META_DATA: _CHUNK}}}
_HEADER = {
    _KIND: None,
    _UNPACKED: None,
    _PACKED: None,
    _PAGE: dict.fromkeys((_VALUES, _LEVELS_ARE)),
    _PAGE_V2: dict.fromkeys((_VALUES, _LEVELS_LENGTH)),
}
# the types of data pages, and the field that holds each one's header
_DATA = {0: _PAGE, 3: _PAGE_V2}
_RLE = 3
_PLAIN = 0
_CODECS = {1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}


class Pages(NamedTuple):
    """The pages of a row group. held: the bytes of the largest page of every column together.

    rows: the rows that begin in the page with the fewest, ignoring each column's last page; None if there are no
    others. Pages in which no row begins count as part of the page before them.
    """

    held: int
    rows: int | None


class _Page(NamedTuple):
    held: int
    rows: int


def row_groups(file: BinaryIO) -> list[Struct]:
    """Return the row groups that the footer lists.

    Raises InputError, without the place, for a footer that is too large, and ValueError for an invalid one.
    """
    length = file.seek(0, io.SEEK_END)
    file.seek(max(0, length - _MARK))
    footer = int.from_bytes(file.read(4), "little")
    if footer > length - _MARK:
        raise ValueError("its footer is longer than the file")
    try:
        if footer > _LONGEST_FOOTER:
            raise LargeStructError
        file.seek(-_MARK - footer, io.SEEK_END)
        groups = read_struct(file, _FOOTER, footer, _MOST_IN_FOOTER).lists.get(_ROW_GROUPS, [])
    except LargeStructError as error:
        raise InputError(
            f"its footer has more than {size(_LONGEST_FOOTER)}, or more than {_MOST_IN_FOOTER} parts; "
            "write the file with larger row groups"
        ) from error
    # else many columns could all point to the same pages
    if sum(_length(column) for group in groups for column in group.lists.get(_COLUMNS, [])) > length:
        raise ValueError("its columns are longer than the file")
    return groups


def _length(column: Struct) -> int:
    said = column.structs.get(_META_DATA)
    return max(0, said.numbers.get(_LENGTH, 0)) if said else 0


def pages_of(file: BinaryIO, group: Struct, deepest: Sequence[int]) -> Pages:
    """Measure the pages of a row group. deepest: in how many lists each column is nested.

    A page that cannot be read ends its column: Arrow cannot read beyond it, either.
    """
    held, fewest = 0, None
    for column, lists in zip(group.lists.get(_COLUMNS, []), deepest, strict=False):
        largest, last = 0, None
        for page in _whole_rows(_pages(file, column, lists)):
            largest = max(largest, page.held)
            if last:
                fewest = last if fewest is None else min(fewest, last)
            last = page.rows
        held += largest
    return Pages(held, fewest)


def _whole_rows(pages: Iterator[_Page]) -> Iterator[_Page]:
    """Yield the pages, each merged with those after it in which no row begins."""
    before = None
    for page in pages:
        if before is None:
            before = page
        elif page.rows:
            yield before
            before = page
        else:
            before = _Page(before.held + page.held, before.rows)
    if before:
        yield before


def _pages(file: BinaryIO, column: Struct, lists: int) -> Iterator[_Page]:
    """Yield the pages of a column; dictionary pages have no rows."""
    try:
        said = column.structs[_META_DATA].numbers
        at = min(said[_FIRST_PAGE], said.get(_DICTIONARY) or said[_FIRST_PAGE])
        end = at + said[_LENGTH]
        while at < end:
            file.seek(at)
            header = read_struct(file, _HEADER, _LONGEST_HEADER, _MOST_IN_HEADER)
            at = file.tell() + max(0, header.numbers[_PACKED])
            kind = _DATA.get(header.numbers[_KIND])
            held, values = header.numbers[_UNPACKED], header.structs[kind].numbers[_VALUES] if kind else 0
            if lists and values > 0:
                held += values * _HELD_BY_VALUE
                yield _Page(held, _rows_begun(file, header, said.get(_CODEC, _PLAIN), lists, values))
            else:
                yield _Page(held, values)
    except (KeyError, OSError, ValueError, OverflowError):
        return


def _rows_begun(file: BinaryIO, header: Struct, codec: int, lists: int, values: int) -> int:
    """Return the rows that begin in the page at the file's position; 0 if that cannot be told."""
    try:
        return rows_begun(_levels(file, header, codec), lists, values)
    except (KeyError, OSError, ValueError, OverflowError, pa.ArrowException):
        return 0


def _levels(file: BinaryIO, header: Struct, codec: int) -> memoryview:
    packed, unpacked = header.numbers[_PACKED], header.numbers[_UNPACKED]
    if _DATA[header.numbers[_KIND]] == _PAGE_V2:
        length = header.structs[_PAGE_V2].numbers[_LEVELS_LENGTH]
        if not 0 <= length <= packed:
            raise ValueError("the levels are longer than the page")
        return memoryview(file.read(length))
    if not (0 <= packed <= MOST_HELD and 0 <= unpacked <= MOST_HELD):
        raise ValueError("the page is too large to be unpacked")
    if header.structs[_PAGE].numbers[_LEVELS_ARE] != _RLE:
        raise ValueError("the levels are written in an old way")
    page = memoryview(file.read(packed))
    if codec != _PLAIN:
        # a memoryview of an Arrow buffer has signed bytes
        page = memoryview(pa.Codec(_CODECS[codec]).decompress(page, unpacked)).cast("B")
    length = int.from_bytes(page[:4], "little")
    return page[4 : 4 + length]
