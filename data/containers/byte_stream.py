"""Read the bytes and lines of a file, gzipped or not, within limits, and write them."""

import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Protocol

from data.containers.container import FileLimits, Unreadable
from data.errors import InputError
from data.support.atomic_files import replacing

_BLOCK = 1 << 18

Opener = Callable[[], io.BufferedReader]
"""Opens the same bytes from the beginning at each call."""

OUT_OF_MEMORY = "there is not enough memory to unpack it; write it with smaller pages and row groups, or as JSON lines"
NOT_UTF8 = "not UTF-8; save the file as UTF-8"


class Blocks(Protocol):
    """A source of bytes that can be read in small blocks, so that an error loses nothing before it."""

    def read1(self, size: int, /) -> bytes:
        """Return the next bytes; none at the end."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


def opened(path: Path, limits: FileLimits) -> io.BufferedReader:
    """Open a file; its bytes are unzipped while they are read, and a byte order mark is skipped.

    Raises InputError when it cannot be opened; reading raises it when the rest cannot be read.
    """
    try:
        length = path.stat().st_size
        file = _file(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if length > limits.file:
        file.close()
        raise InputError(f"{path} is larger than {size(limits.file)}; split the file")
    return within(path, file, limits)


def _file(path: Path) -> Blocks:
    return gzip.open(path) if _is_packed(path) else path.open("rb")


def _is_packed(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def within(name: Path, file: Blocks, limits: FileLimits) -> io.BufferedReader:
    """Return the bytes of an open file within limits; closing them closes the file. name: what errors call it."""
    stream: io.BufferedReader = io.BufferedReader(_Within(name, file, limits), _BLOCK)
    try:
        if stream.peek(len(codecs.BOM_UTF8)).startswith(codecs.BOM_UTF8):
            stream.read(len(codecs.BOM_UTF8))
    except InputError:
        stream.close()
        raise
    return stream


def lines(stream: io.BufferedReader, limit: int) -> Iterator[tuple[int, bytes | Unreadable]]:
    """Yield the remaining lines, numbered from 1, with their ends; lines longer than the limit are not held in memory.

    Only \\n ends a line: texts may hold other line separators, such as U+2028.
    """
    for number in count(1):
        line = stream.readline(limit + 1)
        if not line:
            return
        if len(line) > limit and not line.endswith(b"\n"):
            _skip_line(stream)
            yield number, too_long(limit)
        else:
            yield number, line


@contextmanager
def replacing_packed(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file to write that replaces `path` at the end, gzipped if its name ends in .gz. Raises OSError."""
    with replacing(path) as fresh, fresh.open("wb") as file:
        if not _is_packed(path):
            yield file
            return
        # without name and time, so that equal rows give equal bytes
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as pack:
            yield pack  # type: ignore[misc]  # it writes bytes as any binary file does


def too_long(limit: int) -> Unreadable:
    """Return what takes the place of a row longer than the limit."""
    return Unreadable(f"longer than {size(limit)}")


def size(limit: int) -> str:
    """Return a number of bytes in words."""
    return f"{limit / 1_000_000:g} MB"


def _skip_line(stream: io.BufferedReader) -> None:
    while (block := stream.readline(_BLOCK)) and not block.endswith(b"\n"):
        pass


class _Within(io.RawIOBase):
    """Passes bytes on up to the limit; its errors say after which line the file breaks off."""

    def __init__(self, name: Path, file: Blocks, limits: FileLimits) -> None:
        self._name = name
        self._file = file
        self._limits = limits
        self._read = 0
        self._lines = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # all that BufferedReader gives
        block = self._block(len(buffer))
        self._read += len(block)
        self._lines += block.count(b"\n")
        if self._read > self._limits.unpacked:
            raise InputError(
                f"{self._name}, after line {self._lines}: more than {size(self._limits.unpacked)} when unpacked; "
                "split the file"
            )
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _block(self, length: int) -> bytes:
        try:
            return self._file.read1(length)
        except EOFError as error:
            raise InputError(f"{self._name} is cut off after line {self._lines}: copy or download it again") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise InputError(
                f"{self._name}, after line {self._lines}: no gzip: {error}; unpack it, or download it again"
            ) from error
        except OSError as error:
            raise InputError(f"{self._name} cannot be read: {error.strerror}") from error
