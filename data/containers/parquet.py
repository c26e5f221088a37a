"""Parquet files; arrow_rows.py converts the values.

Memory is checked before Arrow unpacks anything (parquet_pages.py), since files may come from anybody.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data.containers import arrow_rows
from data.containers.byte_stream import OUT_OF_MEMORY, size
from data.containers.container import Container, FileLimits, Numbered, Parts
from data.containers.parquet_pages import MOST_HELD, Pages, pages_of, row_groups
from data.errors import InputError
from data.support.atomic_files import replacing

_ROWS_READ = 256
_HELD = 64_000_000
_BUFFER = 1 << 20
_WAY_OUT = "copy or download it again"


def _read(path: Path, limits: FileLimits) -> tuple[str, Iterator[Numbered]]:
    """Read the rows, counted by "row"."""
    with _opened(path, limits):
        return "row", _rows(path, limits)


def _rows(path: Path, limits: FileLimits) -> Iterator[Numbered]:
    number = 0
    with _opened(path, limits) as file:
        try:
            for number, row in enumerate(arrow_rows.values(_batches(path, file, limits), limits), 1):
                yield number, row
        except InputError as error:
            raise InputError(f"{path}, after row {number}: {error}") from error
        except MemoryError as error:
            raise InputError(f"{path}, after row {number}: {OUT_OF_MEMORY}") from error
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InputError(f"{path}, after row {number}: {_in_words(error)}") from error


def _in_words(error: Exception) -> str:
    """Describe an error of Arrow, which has no type for unsupported encodings (DELTA_BYTE_ARRAY as dictionary)."""
    if "Not yet implemented" in str(error):
        return f"its encoding is not known here ({error}); write it anew with plain or dictionary encoding"
    return f"damaged: {error}; {_WAY_OUT}"


def _batches(path: Path, file: pq.ParquetFile, limits: FileLimits) -> Iterator[pa.RecordBatch]:
    deepest = [file.schema.column(number).max_repetition_level for number in range(len(file.schema))]
    with path.open("rb") as bytes_:
        for number, listed in zip(range(file.num_row_groups), row_groups(bytes_), strict=True):
            group = file.metadata.row_group(number)
            pages = pages_of(bytes_, listed, deepest)
            if group.total_byte_size > limits.row * group.num_rows:
                raise InputError(f"its rows have more than {size(limits.row)} each; shorten or split them")
            if pages.held > MOST_HELD:
                raise InputError(
                    f"so many long texts stand together that {size(pages.held)} must be unpacked at once, "
                    f"more than {size(MOST_HELD)}; write the file with smaller pages"
                )
            for batch in file.iter_batches(batch_size=_rows_at_once(pages), row_groups=[number], use_threads=False):
                yield from arrow_rows.unfolded(batch, limits.row)


def _rows_at_once(pages: Pages) -> int:
    """Return at most the rows of the smallest page, so that a batch touches at most two pages per column."""
    if pages.rows is None:
        return _ROWS_READ
    return max(1, min(_ROWS_READ, pages.rows, pages.rows * _HELD // max(1, pages.held)))


def _texts(schema: pq.ParquetSchema) -> list[str]:
    """Return the columns of texts and bytes, to be read as dictionaries: Arrow then holds repeated values once."""
    columns = (schema.column(number) for number in range(len(schema)))
    return [one.path for one in columns if one.physical_type == "BYTE_ARRAY" and one.logical_type.type != "DECIMAL"]


def _opened(path: Path, limits: FileLimits) -> pq.ParquetFile:
    try:
        if path.stat().st_size > limits.file:
            raise InputError(f"{path} is larger than {size(limits.file)}; split the file")
        with path.open("rb") as bytes_:
            row_groups(bytes_)  # first, since Arrow allocates as much memory as the footer asks for
        footer = pq.read_metadata(path)
        # page by page, since whole column chunks may have any size
        file = pq.ParquetFile(
            path,
            metadata=footer,
            buffer_size=_BUFFER,
            pre_buffer=False,
            page_checksum_verification=True,
            read_dictionary=_texts(footer.schema),
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (pa.ArrowException, ValueError, MemoryError) as error:
        raise InputError(f"{path} is no Parquet file: {error}; {_WAY_OUT}, or name it for what it is") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        _checked(file, limits)
    except InputError as error:
        file.close()
        raise InputError(f"{path}: {error}") from error
    return file


def _checked(file: pq.ParquetFile, limits: FileLimits) -> None:
    footer = file.metadata
    unpacked = sum(footer.row_group(number).total_byte_size for number in range(footer.num_row_groups))
    if unpacked > limits.unpacked:
        raise InputError(f"more than {size(limits.unpacked)} when unpacked; split the file")
    try:
        schema = file.schema_arrow
    except pa.ArrowException as error:
        raise InputError(f"its columns cannot be read: {error}") from error
    arrow_rows.checked(schema)


def _write(path: Path, schema: pa.Schema, parts: Parts) -> None:
    """Write the columns of the schema; missing values are null."""
    with (
        replacing(path) as fresh,
        pq.ParquetWriter(fresh, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        for batch in arrow_rows.batches(schema, chain.from_iterable(parts.values())):
            writer.write_batch(batch)


PARQUET = Container("parquet", (".parquet",), _read, _write)
