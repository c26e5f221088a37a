"""Convert rows between Python objects and Arrow batches of bounded size; used by Parquet and `datasets` directories."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from data.containers.byte_stream import NOT_UTF8, size, too_long
from data.containers.container import FileLimits, Unreadable
from data.errors import InputError

_ROWS_WRITTEN = 4096
_CHARACTERS_WRITTEN = 16_000_000
_ROWS_READ = 256


def batches(schema: pa.Schema, rows: Iterable[Mapping[str, object]]) -> Iterator[pa.RecordBatch]:
    """Yield rows as batches of bounded size; missing values are null."""
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
    """Raise InputError, without the place, for a schema whose rows cannot be read."""
    try:
        names = Counter(schema.names)
    except UnicodeDecodeError as error:
        raise InputError("the name of a column is not UTF-8; copy or download it again") from error
    twice = next((name for name, times in names.items() if times > 1), None)
    if twice is not None:
        raise InputError(f"two columns are called {twice!r:.80}; give each a name of its own")


def values(batches: Iterable[pa.RecordBatch], limits: FileLimits) -> Iterator[object]:
    """Yield the rows of the batches as dict, list, str, bool, number or None, or each bad one as Unreadable.

    Where objects of one column have different keys, Arrow fills the gaps with null, and so do these. Times become ISO
    8601, bytes text, or null if they are no UTF-8. Raises InputError, without the place, when all together are too
    large.
    """
    unpacked = 0
    for batch in batches:
        way = _Way.of(batch.schema)
        # other types may share one long text between many rows, so these are expanded one row at a time
        step = _ROWS_READ if way.plain else 1
        for begin in range(0, batch.num_rows, step):
            some = batch.slice(begin, step)
            length, rows = _rows(some, way, limits.row)
            unpacked += length
            if unpacked > limits.unpacked:
                raise InputError(f"more than {size(limits.unpacked)} when unpacked; split it")
            if isinstance(rows, Unreadable):
                yield from _each(some, way, limits.row, rows)
            else:
                yield from rows


def unfolded(batch: pa.RecordBatch, limit: int) -> Iterator[pa.RecordBatch]:
    """Yield a valid batch in parts, with texts that it stores once for many rows (dictionary encoding) expanded.

    No part has more bytes than the limit; a single row beyond it is not expanded.
    """
    small = sum(map(_bytes_of, batch.columns)) <= limit
    if small or batch.num_rows == 1:
        schema = _Way.of(batch.schema).schema
        yield batch.cast(schema) if small and schema is not None else batch
    else:
        half = batch.num_rows // 2
        yield from unfolded(batch.slice(0, half), limit)
        yield from unfolded(batch.slice(half), limit)


class _Way(NamedTuple):
    """How a batch becomes rows.

    schema: the batch's own without dictionaries of texts or bytes; None if it has none. plain: whether JSON can hold
    every value.
    """

    schema: pa.Schema | None
    plain: bool

    @classmethod
    def of(cls, schema: pa.Schema) -> "_Way":
        unfolded = pa.schema([field.with_type(_unfolded(field.type)) for field in schema])
        return cls(None if unfolded == schema else unfolded, all(_is_plain(field.type) for field in unfolded))


def _each(batch: pa.RecordBatch, way: _Way, limit: int, reason: Unreadable) -> Iterator[object]:
    """Yield the rows of a batch one by one, after it could not be read as a whole."""
    if batch.num_rows == 1:
        yield reason
        return
    for index in range(batch.num_rows):
        _, rows = _rows(batch.slice(index, 1), way, limit)
        yield from [rows] if isinstance(rows, Unreadable) else rows


def _rows(batch: pa.RecordBatch, way: _Way, limit: int) -> tuple[int, list[object] | Unreadable]:
    """Return the bytes of a batch, and its rows or why it cannot be read as a whole.

    A text that it stores once for many rows counts for each.
    """
    length = batch.nbytes
    try:
        batch.validate(full=True)  # else invalid offsets would be followed out of bounds
        length = sum(map(_bytes_of, batch.columns))
        if length > limit:
            raise ValueError(too_long(limit).reason)
        rows = (batch if way.schema is None else batch.cast(way.schema)).to_pylist()
        if not way.plain:
            rows = [_plain(row) for row in rows]
            if _characters(rows) > limit:
                raise ValueError(too_long(limit).reason)
    except (pa.ArrowException, ValueError, OverflowError) as error:
        return length, Unreadable(NOT_UTF8 if "UTF" in str(error).upper() else f"no row: {error}")
    return length, rows


def _bytes_of(values: pa.Array) -> int:
    if pa.types.is_dictionary(values.type):
        if _is_long(values.type.value_type):
            return int(pc.sum(pc.binary_length(values.dictionary).take(values.indices)).as_py() or 0)
        return _bytes_of(values.dictionary.take(values.indices))
    if pa.types.is_struct(values.type):
        return sum(map(_bytes_of, values.flatten()))
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        return _bytes_of(values.flatten())
    return int(values.nbytes)


def _unfolded(type_: pa.DataType) -> pa.DataType:
    """Return the type without dictionaries of texts or bytes, also inside objects and lists."""
    if pa.types.is_dictionary(type_) and _is_long(type_.value_type):
        return type_.value_type
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(_unfolded(field.type)) for field in type_])
    if pa.types.is_list(type_):
        return pa.list_(type_.value_field.with_type(_unfolded(type_.value_type)))
    if pa.types.is_large_list(type_):
        return pa.large_list(type_.value_field.with_type(_unfolded(type_.value_type)))
    return type_


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def _is_long(type_: pa.DataType) -> bool:
    """Return whether values of the type have no fixed length."""
    return bool(_is_text(type_) or pa.types.is_binary(type_) or pa.types.is_large_binary(type_))


def _is_plain(type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):
        return all(_is_plain(field.type) for field in type_)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return _is_plain(type_.value_type)
    return bool(
        _is_text(type_)
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
    """Return roughly how many characters a value has."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_characters, value.values()))
    if isinstance(value, list):
        return sum(map(_characters, value))
    return 8
