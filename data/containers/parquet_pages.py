"""How large the pages of a Parquet file are once unpacked, by what stands before each. Knows nothing of their values.

The footer has only sums, and a page is unpacked whole: whoever wants to know beforehand what that takes must look here.
Arrow reads the footer, too, but ends the program when it is asked for the columns of a damaged one.

https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

import io
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from data.containers.byte_stream import size
from data.containers.thrift_struct import Struct, read_struct
from data.errors import InputError

_LONGEST_FOOTER = 16_000_000
_MARK = 8
# the numbers of the fields in the file that is named above
_ROW_GROUPS, _COLUMNS, _META_DATA = 4, 1, 3
_LENGTH, _FIRST_PAGE, _DICTIONARY = 7, 9, 11
_UNPACKED, _PACKED, _PAGE, _PAGE_V2, _VALUES = 2, 3, 5, 8, 1


class Pages(NamedTuple):
    """Of a row group. held: how many bytes the largest pages of all columns have together.

    values: how many the shortest page has, of those that others of their column follow; None if there are none.
    """

    held: int
    values: int | None


def pages_of_groups(file: BinaryIO) -> Iterator[Pages]:
    """What the pages of each row group are like; a page that cannot be read counts as none: Arrow cannot, either.

    Raises InputError, without the place, for a footer that is too long, and ValueError for one that is none.
    """
    file.seek(-_MARK, io.SEEK_END)
    footer = int.from_bytes(file.read(4), "little")
    if footer > _LONGEST_FOOTER:
        raise InputError(f"its footer has more than {size(_LONGEST_FOOTER)}; write the file with larger row groups")
    file.seek(-_MARK - footer, io.SEEK_END)
    groups = read_struct(file).lists.get(_ROW_GROUPS, [])
    for group in groups:
        columns = [list(_pages(file, column)) for column in group.lists.get(_COLUMNS, [])]
        held = sum(max((length for length, _ in pages), default=0) for pages in columns)
        counts = [[values for _, values in pages if values > 0] for pages in columns]
        yield Pages(held, min((count for followed in counts for count in followed[:-1]), default=None))


def _pages(file: BinaryIO, column: Struct) -> Iterator[tuple[int, int]]:
    """The unpacked size of each page of a column, and how many values it has; a dictionary has none."""
    try:
        said = column.structs[_META_DATA].numbers
        at = min(said[_FIRST_PAGE], said.get(_DICTIONARY) or said[_FIRST_PAGE])
        end = at + said[_LENGTH]
        while at < end:
            file.seek(at)
            header = read_struct(file)
            page = header.structs.get(_PAGE) or header.structs.get(_PAGE_V2) or Struct()
            yield header.numbers[_UNPACKED], page.numbers.get(_VALUES, 0)
            at = file.tell() + max(0, header.numbers[_PACKED])
    except (KeyError, OSError, ValueError, OverflowError):
        return
