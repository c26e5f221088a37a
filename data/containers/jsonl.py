"""JSON files of rows: one per line, or an array of them; gzipped or not."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path

import pyarrow as pa

from data.containers import byte_stream, json_array
from data.containers.byte_stream import NOT_UTF8, Opener
from data.containers.container import Container, FileLimits, Numbered, Parts, Unreadable
from data.errors import InputError

_UNREADABLE = "prefloop/unreadable"
_EVERY_LINE = "put a whole JSON object on each line"


def rows(name: Path, opener: Opener, limits: FileLimits) -> tuple[str, Iterator[Numbered]]:
    """Return the rows, counted by "line", or in an array by "entry"; name: only .json or .json.gz may hold an array."""
    with opener() as stream:
        array = _may_be_array(name) and json_array.begins_array(stream)
    return ("entry", _entries(name, opener, limits)) if array else ("line", _lines(opener, limits))


def standing_in(row: Unreadable) -> Mapping[str, object]:
    """Return an object to write for a row that was unreadable elsewhere; it is read back as that Unreadable."""
    return {_UNREADABLE: row.reason}


def _read(path: Path, limits: FileLimits) -> tuple[str, Iterator[Numbered]]:
    return rows(path, partial(byte_stream.opened, path, limits), limits)


def _may_be_array(name: Path) -> bool:
    return name.name.lower().removesuffix(".gz").endswith(".json")


def _lines(opener: Opener, limits: FileLimits) -> Iterator[Numbered]:
    with opener() as stream:
        for number, line in byte_stream.lines(stream, limits.row):
            if isinstance(line, Unreadable):
                yield number, line
            elif line.strip():
                yield number, _value(line, _EVERY_LINE)


def _entries(name: Path, opener: Opener, limits: FileLimits) -> Iterator[Numbered]:
    number = 0
    with opener() as stream:
        json_array.begins_array(stream)
        try:
            for number, entry in enumerate(json_array.entries(stream, limits.row), 1):
                yield number, entry if isinstance(entry, Unreadable) else _value(entry, "mend it")
        except json_array.BrokenArrayError as error:
            raise InputError(f"{name}, entry {number + 1}: {error}") from error


def _value(text: bytes, way_out: str) -> object:
    try:
        value = json.loads(text.decode("utf-8"))
    except UnicodeDecodeError:
        return Unreadable(NOT_UTF8)
    except RecursionError:
        return Unreadable(f"JSON nested too deeply; {way_out}")
    except json.JSONDecodeError as error:
        return Unreadable(f"no JSON: {error.msg}; {way_out}")
    except ValueError as error:  # a number of thousands of digits
        return Unreadable(f"no JSON: {error}; {way_out}")
    if isinstance(value, dict) and isinstance(reason := value.get(_UNREADABLE), str):
        return Unreadable(reason)
    return value


def _write(path: Path, schema: pa.Schema, parts: Parts) -> None:
    """Write the rows as they are, ignoring the schema; as an array if the name ends in .json."""
    texts = (json.dumps(row, ensure_ascii=False) for row in chain.from_iterable(parts.values()))
    with byte_stream.replacing_packed(path) as file:
        for text in _array(texts) if _may_be_array(path) else (f"{text}\n" for text in texts):
            file.write(text.encode())


def _array(texts: Iterable[str]) -> Iterator[str]:
    begin = "[\n"
    for text in texts:
        yield begin + text
        begin = ",\n"
    yield "[]\n" if begin == "[\n" else "\n]\n"


JSONL = Container("jsonl", (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz"), _read, _write)
