"""The bytes of a file, gzipped or not, and its lines, within limits. Knows nothing of what they say."""

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
"""Opens the same bytes from their beginning, each time it is called."""

OUT_OF_MEMORY = "there is not enough memory to unpack it; write it with smaller pages and row groups, or as JSON lines"
NOT_UTF8 = "not UTF-8; save the file as UTF-8"


class Blocks(Protocol):
    """What bytes come from: at most so many at a time, so that what came before an error is not lost with it."""

    def read1(self, size: int, /) -> bytes:
        """The next bytes; none at the end."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def opened(path: Path, limits: FileLimits) -> io.BufferedReader:
    """The bytes of a file, unpacked while they are read, without a byte order mark.

    Raises InputError when it cannot be opened, and on the way when it cannot be read on.
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
    """The bytes of an open file, which the answer closes with itself; name is what errors call it."""
    stream: io.BufferedReader = io.BufferedReader(_Within(name, file, limits), _BLOCK)
    try:
        if stream.peek(len(codecs.BOM_UTF8)).startswith(codecs.BOM_UTF8):
            stream.read(len(codecs.BOM_UTF8))
    except InputError:
        stream.close()
        raise
    return stream


def lines(stream: io.BufferedReader, limit: int) -> Iterator[tuple[int, bytes | Unreadable]]:
    """The lines that are left, numbered from 1, with their ends; none longer than the limit is held.

    By \\n alone: texts may hold other line separators, such as U+2028.
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
    """A file to write that takes the place of `path` at the end, packed if its name ends in .gz. Raises OSError."""
    with replacing(path) as fresh, fresh.open("wb") as file:
        if not _is_packed(path):
            yield file
            return
        # neither a name nor a time within, so that equal rows make equal bytes
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as pack:
            yield pack  # type: ignore[misc]  # it writes bytes as any binary file does


def too_long(limit: int) -> Unreadable:
    """What stands in the place of a row that is longer than the limit."""
    return Unreadable(f"longer than {size(limit)}")


def size(limit: int) -> str:
    """A number of bytes, in words."""
    return f"{limit / 1_000_000:g} MB"


def _skip_line(stream: io.BufferedReader) -> None:
    while (block := stream.readline(_BLOCK)) and not block.endswith(b"\n"):
        pass


class _Within(io.RawIOBase):
    """Passes bytes on until they are too many; says after which line a file breaks off."""

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
