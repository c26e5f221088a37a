"""Rows from a JSON file: one a line, or an array of them; gzipped or not. Knows nothing of what a row means."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from data.errors import InputError
from data.formats.container import Container, Numbered


def _rows(path: Path) -> tuple[str, Iterator[Numbered]]:
    """Counted by "line", or in an array by "entry", from 1."""
    lines = _lines(path)
    if not path.name.lower().removesuffix(".gz").endswith(".json"):
        return "line", _objects(path, lines)
    content = list(lines)  # whether it is an array shows at its first sign, which may come late
    text = "".join(line for _, line in content)
    if text.lstrip().startswith("["):
        return "entry", enumerate(_array(path, text), 1)
    return "line", _objects(path, iter(content))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            # By \n alone: JSON may hold other line separators, such as U+2028, within a string.
            for number, line in enumerate(file, 1):
                yield number, _decoded(path, number, line)
    except EOFError as error:
        raise InputError(f"{path} is cut off after line {number}: copy or download it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}, after line {number}: no gzip: {error}; unpack it, or download it again") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _decoded(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}, line {number}: not UTF-8; save the file as UTF-8") from error


def _objects(path: Path, lines: Iterator[tuple[int, str]]) -> Iterator[Numbered]:
    for number, line in lines:
        if line.strip():
            yield number, _json(path, line, number, "put a whole JSON object on each line")


def _array(path: Path, text: str) -> list[object]:
    array = _json(path, text, 1, "mend it, or put a JSON object on each line")
    assert isinstance(array, list), "a JSON text that begins with [ is an array"
    return array


def _json(path: Path, text: str, first_line: int, way_out: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise InputError(f"{path}, line {line}: no JSON: {error.msg}; {way_out}") from error
    except RecursionError as error:
        raise InputError(f"{path}, line {first_line}: JSON nested too deeply; {way_out}") from error
    except ValueError as error:  # a number of thousands of digits
        raise InputError(f"{path}, line {first_line}: no JSON: {error}; {way_out}") from error


JSON = Container((".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz"), _rows)
