"""Rows as Arrow holds them, some at a time, and as Python does. Knows nothing of files."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time

import pyarrow as pa

from data.containers.byte_stream import NOT_UTF8, size, too_long
from data.containers.container import FileLimits, Unreadable
from data.errors import InputError

_ROWS_WRITTEN = 4096
_CHARACTERS_WRITTEN = 16_000_000
_ROWS_READ = 256


def batches(schema: pa.Schema, rows: Iterable[Mapping[str, object]]) -> Iterator[pa.RecordBatch]:
    """Batches of bounded size; what a row does not have is null."""
    held: list[Mapping[str, object]] = []
    characters = 0
    for row in rows:
        held.append(row)
        characters += _characters(row)
        if len(held) == _ROWS_WRITTEN or characters > _CHARACTERS_WRITTEN:
            yield pa.RecordBatch.from_pylist(held, schema=schema)
            held, characters = [], 0
    if held:
        yield pa.RecordBatch.from_pylist(held, schema=schema)


def checked(schema: pa.Schema) -> None:
    """Raises InputError, without the place, for a schema of which no row can be made."""
    try:
        names = Counter(schema.names)
    except UnicodeDecodeError as error:
        raise InputError("the name of a column is not UTF-8; copy or download it again") from error
    twice = next((name for name, times in names.items() if times > 1), None)
    if twice is not None:
        raise InputError(f"two columns are called {twice!r:.80}; give each a name of its own")


def values(batches: Iterable[pa.RecordBatch], limits: FileLimits) -> Iterator[object]:
    """The rows of the batches as dict, list, str, bool, number or None, each by itself Unreadable.

    Where objects of one column have different keys, Arrow fills the gaps with null, and so do these. Times are ISO
    8601; bytes are text, or null if they are none. Raises InputError, without the place, when all are too large.
    """
    unpacked = 0
    for batch in batches:
        unpacked += batch.nbytes
        if unpacked > limits.unpacked:
            raise InputError(f"more than {size(limits.unpacked)} when unpacked; split it")
        plain = all(_is_plain(field.type) for field in batch.schema)
        # other types may hold one long text for many rows, and so are unfolded one row at a time
        step = _ROWS_READ if plain else 1
        for begin in range(0, batch.num_rows, step):
            yield from _some(batch.slice(begin, step), limits.row, plain=plain)


def _some(batch: pa.RecordBatch, limit: int, *, plain: bool) -> Iterator[object]:
    try:
        if batch.nbytes > limit:
            raise ValueError(too_long(limit).reason)
        batch.validate(full=True)  # else broken offsets would be followed to wherever they point
        rows = batch.to_pylist()
        if not plain:
            rows = [_plain(row) for row in rows]
            if _characters(rows) > limit:
                raise ValueError(too_long(limit).reason)
    except (pa.ArrowException, ValueError, OverflowError) as error:
        if batch.num_rows > 1:
            for index in range(batch.num_rows):
                yield from _some(batch.slice(index, 1), limit, plain=plain)
        else:
            yield Unreadable(NOT_UTF8 if "UTF" in str(error).upper() else f"no row: {error}")
    else:
        yield from rows


def _is_plain(type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):
        return all(_is_plain(field.type) for field in type_)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return _is_plain(type_.value_type)
    return bool(
        pa.types.is_string(type_)
        or pa.types.is_large_string(type_)
        or pa.types.is_boolean(type_)
        or pa.types.is_integer(type_)
        or pa.types.is_floating(type_)
        or pa.types.is_null(type_)
    )


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return None
    return value.isoformat() if isinstance(value, datetime | date | time) else str(value)


def _characters(value: object) -> int:
    """About how many characters a value has."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_characters, value.values()))
    if isinstance(value, list):
        return sum(map(_characters, value))
    return 8
