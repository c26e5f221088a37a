"""Directories of the `datasets` library, as its save_to_disk writes and its load_from_disk reads.

arrow_rows.py converts the values. The library itself is not used: importing it takes a second, and it writes every row
twice, shows progress bars and fills a cache.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from mmap import ACCESS_READ, MADV_DONTNEED, mmap
from pathlib import Path

import pyarrow as pa

from data.containers import arrow_messages, arrow_rows
from data.containers.byte_stream import OUT_OF_MEMORY, size
from data.containers.container import Container, FileLimits, Numbered, Parts
from data.errors import InputError
from data.support.atomic_files import replacing_directory

_SPLITS, _STATE, _INFO = "dataset_dict.json", "state.json", "dataset_info.json"
_SHARD = "data-00000-of-00001.arrow"
_END = b"\xff\xff\xff\xff\0\0\0\0"
_LONGEST_JSON = 10_000_000
_MOST_UNPACKED = 256_000_000


def _read(path: Path, limits: FileLimits) -> tuple[str, Iterator[Numbered]]:
    """Read the rows of all splits in turn, counted by "row"."""
    shards = list(_shards(path))
    if sum(_size(shard) for shard in shards) > limits.file:
        raise InputError(f"{path} is larger than {size(limits.file)}; split it")
    return "row", _rows(path, shards, limits)


def _rows(path: Path, shards: list[Path], limits: FileLimits) -> Iterator[Numbered]:
    number = 0
    try:
        for number, row in enumerate(arrow_rows.values(_batches(shards), limits), 1):
            yield number, row
    except InputError as error:
        raise InputError(f"{path}, after row {number}: {error}") from error
    except MemoryError as error:
        raise InputError(f"{path}, after row {number}: {OUT_OF_MEMORY}") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}, after row {number}: damaged: {error}; copy or download it again") from error


def _batches(shards: Iterable[Path]) -> Iterator[pa.RecordBatch]:
    for shard in shards:
        with shard.open("rb") as file:
            file.seek(-min(len(_END), _size(shard)), 2)
            if file.read() != _END:  # Arrow would take the end of the file for the end of the rows
                raise InputError(f"{shard.name} is cut off; copy or download it again")
            mapped = mmap(file.fileno(), 0, access=ACCESS_READ)
        if max(arrow_messages.unpacked_sizes(pa.py_buffer(mapped)), default=0) > _MOST_UNPACKED:
            raise InputError(
                f"{shard.name} is packed, and a batch of it has more than {size(_MOST_UNPACKED)} when unpacked; "
                "save the dataset with `datasets`, which does not pack it"
            )
        with pa.ipc.open_stream(pa.py_buffer(mapped)) as stream:
            arrow_rows.checked(stream.schema)
            for batch in stream:
                yield batch
                mapped.madvise(MADV_DONTNEED)  # else everything read so far would stay in memory


def _shards(path: Path) -> Iterator[Path]:
    if (path / _SPLITS).exists():
        for name in _texts(path / _SPLITS, _json(path / _SPLITS), "splits"):
            yield from _shards_of(_inside(path, name))
    elif (path / _STATE).exists():
        yield from _shards_of(path)
    else:
        raise InputError(
            f"{path} is a directory without {_SPLITS} or {_STATE}; give one that save_to_disk of `datasets` wrote"
        )


def _shards_of(split: Path) -> Iterator[Path]:
    state = split / _STATE
    found = _json(state)
    if found.get("_indices_data_files"):
        raise InputError(f"{state}: written by an old version of `datasets`; load and save it with a new one")
    files = found.get("_data_files")
    if not isinstance(files, list):
        raise InputError(f"{state}: _data_files is no list; save the dataset again")
    names = [file.get("filename") if isinstance(file, Mapping) else file for file in files]
    for name in _texts(state, {"filename": names}, "filename"):
        yield _inside(split, name)


def _texts(place: Path, found: Mapping[str, object], key: str) -> list[str]:
    names = found.get(key)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{place}: {key} is no list of names; save the dataset again")
    return names


def _json(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_LONGEST_JSON).decode("utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no JSON: {error}; copy or download it again") from error
    if not isinstance(found, Mapping):
        raise InputError(f"{path}: no JSON object; copy or download it again")
    return found


def _inside(directory: Path, name: str) -> Path:
    """Return a direct child of a directory: an imported dataset must not make other files be read."""
    if name in ("", ".", "..") or "\0" in name or Path(name).name != name:
        raise InputError(f"{directory}: {name!r:.80} is no name of a file in it; save the dataset again")
    return directory / name


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _write(path: Path, schema: pa.Schema, parts: Parts) -> None:
    """Write a DatasetDict with one split per part. Raises FileExistsError unless the path is free or an empty folder.

    The columns are those of the schema; missing values are null.
    """
    with replacing_directory(path) as fresh:
        for name, rows in parts.items():
            split = _inside(fresh, name)
            split.mkdir()
            _write_split(split, schema, rows)
        _write_json(fresh / _SPLITS, {"splits": list(parts)})


def _write_split(split: Path, schema: pa.Schema, rows: Iterable[Mapping[str, object]]) -> None:
    shard = split / _SHARD
    with pa.OSFile(str(shard), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        for batch in arrow_rows.batches(schema, rows):
            stream.write_batch(batch)
    with shard.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    _write_json(split / _INFO, {})  # the library then takes the column types from the rows
    _write_json(
        split / _STATE,
        {
            "_data_files": [{"filename": _SHARD}],
            "_fingerprint": digest[:16],  # key of the library's cache for results computed from these rows
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": split.name,
        },
    )


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")


DATASETS = Container("datasets", (), _read, _write)
