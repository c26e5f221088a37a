"""Read uploaded files in a separate process, limited in memory and time, which ends with its parent.

A malicious file may unpack to a thousand times its size, or crash the library that reads it. It then affects that
process only, and is reported as rejected.
"""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from app.file_reading.look import Brought, Look, ReadRow, RowProgress, unheard
from app.file_reading.wire import brought_out, error_in, file_out, limits_out, line_of, look_in, row_in
from data.containers.byte_stream import size
from data.containers.container import FileLimits
from data.errors import InputError, PrefloopError
from data.records import ImportFile

MEMORY = 700_000_000
"""Bytes of memory for reading; Python and its libraries take a tenth of it."""

SECONDS = 20
"""CPU seconds for inspecting a file, plus one for each MB of it."""

_KEEPING = 3  # factor for importing: each row is also sent, and a file inspected to its end is no decompression bomb
_MB = 1_000_000
_BLOCK = 1 << 20
_PATIENCE_MS = 200
_COMMAND = (sys.executable, "-m", "app.file_reading.child")
_OUT_OF_TIME = {-signal.SIGXCPU, -signal.SIGKILL}

Alive = Callable[[], None]
"""Called frequently while a file is read; an exception from it ends the reading."""


def inspect(
    brought: Brought,
    limits: FileLimits,
    *,
    source: str | None = None,
    license: str | None = None,
    progress: RowProgress = unheard,
) -> Look:
    """Inspect a file, as app.file_reading.look.look_at does; progress is also called while nothing happens.

    Raises InputError also when it takes too much time or memory.
    """
    order = {"brought": brought_out(brought), "limits": limits_out(limits), "source": source, "license": license}
    rows, found = 0, None
    with _reading("look", brought.path, brought.name, 1, order, lambda: progress(rows)) as answers:
        for answer in answers:
            if "look" in answer:
                found = look_in(answer["look"], brought.path)
            else:
                rows = answer["progress"]
    if found is None:
        raise PrefloopError(f"{brought.name} could not be read: nothing was found of it")
    return found


def rows_after(
    path: Path, file: ImportFile, limits: FileLimits, after: int, alive: Alive
) -> Generator[ReadRow, None, None]:
    """Yield the rows of an inspected file after a given one.

    Raises InputError, possibly midway, when reading fails, and what alive raises.
    """
    order = {"path": str(path), "file": file_out(file), "limits": limits_out(limits), "after": after}
    with _reading("rows", path, file.name, _KEEPING, order, alive) as answers:
        yield from map(row_in, answers)


@contextmanager
def _reading(
    what: str, path: Path, name: str, times: int, order: dict[str, Any], alive: Alive
) -> Iterator[Iterator[Any]]:
    """Start a process with this order and yield its answers; it has ended when the block ends."""
    seconds = times * (SECONDS + _length(path) // _MB)
    sent = line_of({"what": what, "memory": MEMORY, "seconds": seconds, **order}).decode()
    with TemporaryFile() as said:
        # the child ends when its standard input closes, which happens however this process ends
        child = subprocess.Popen(
            (*_COMMAND, sent), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, bufsize=0
        )
        assert child.stdout is not None and child.stdin is not None
        try:
            yield _answers(child, name, seconds, said, alive)
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
            child.stdin.close()


def _answers(child: subprocess.Popen[bytes], name: str, seconds: int, said: IO[bytes], alive: Alive) -> Iterator[Any]:
    """Yield the process's results. Raises InputError if it ends before all is sent."""
    assert child.stdout is not None
    for line in _lines(child.stdout.fileno(), alive):
        answer = json.loads(line)
        if not isinstance(answer, dict) or answer.keys() <= {"look", "progress"}:
            yield answer
        elif "refused" in answer:
            raise error_in(answer["refused"])
        elif "memory" in answer:
            raise _too_much_memory(name)
        else:
            return
    status = child.wait()
    if status in _OUT_OF_TIME:
        raise InputError(
            "{name} takes more than {seconds} seconds of computing to be read, more than a file of its size should. "
            "Unpack it, or split it.",
            name=name,
            seconds=seconds,
        )
    if status < 0:
        raise InputError(
            "{name} crashed the process that reads it: it is damaged, or takes more than {most} of memory. Copy or "
            "download it again, or write it as JSON lines.",
            name=name,
            most=size(MEMORY),
        )
    said.seek(0)
    raise PrefloopError(f"{name} could not be read: {_last_line(said.read().decode('utf-8', 'replace'))}")


def _lines(source: int, alive: Alive) -> Iterator[bytes]:
    ready = select.poll()
    ready.register(source, select.POLLIN)
    begun: list[bytes] = []
    while True:
        alive()
        if not ready.poll(_PATIENCE_MS):
            continue
        block = os.read(source, _BLOCK)
        if not block:
            return
        first, *others = block.split(b"\n")
        begun.append(first)
        if others:
            yield b"".join(begun)
            yield from others[:-1]
            begun = [others[-1]]


def _too_much_memory(name: str) -> InputError:
    return InputError(
        "{name} takes more than {most} of memory to be read. Write it with smaller pages and row groups, or as JSON "
        "lines.",
        name=name,
        most=size(MEMORY),
    )


def _length(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
