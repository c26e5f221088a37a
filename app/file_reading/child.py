"""`python -m app.file_reading.child ORDER`: read an uploaded file with limited memory and time.

ORDER is JSON: what to do ("look" or "rows"), with parameters. Results go to standard output, one JSON value per line,
which process.py reads. The process ends with its parent, whose end closes standard input.
"""

import json
import os
import resource
import sys
import threading
from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path
from typing import Any

from app.file_reading.look import ReadRow, called, look_at, rows_of
from app.file_reading.wire import brought_in, error_out, file_in, limits_in, line_of, look_out, row_out
from data.errors import InputError

_KINDER = 5  # niceness; requests come first
_MOST_SAID = 1 << 20


def main(order: dict[str, Any]) -> None:
    """Carry out an order; the last line of output says how it ended."""
    _confine(order["memory"], order["seconds"])
    threading.Thread(target=_end_with_whoever_asked, daemon=True).start()
    try:
        for line in _look(order) if order["what"] == "look" else _rows(order):
            _say(line)
    except InputError as error:
        _say({"refused": error_out(error)})
    except MemoryError:
        _say({"memory": True})
    else:
        _say({"end": True})


def _look(order: dict[str, Any]) -> Iterator[object]:
    found = look_at(
        brought_in(order["brought"]),
        limits_in(order["limits"]),
        source=order["source"],
        license=order["license"],
        progress=lambda rows: _say({"progress": rows}),
    )
    yield {"look": look_out(found)}


def _rows(order: dict[str, Any]) -> Iterator[object]:
    path, file = Path(order["path"]), file_in(order["file"])
    with called(path, file.name):
        _, rows = rows_of(path, file, limits_in(order["limits"]))

        def known(row: ReadRow) -> bool:
            return row.number <= int(order["after"])

        yield from (row_out(row) for row in dropwhile(known, rows))


def _confine(memory: int, seconds: int) -> None:
    """Let the kernel enforce limits, whatever libraries do: bytes of memory, CPU seconds, no core dump."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_SAID, _MOST_SAID))
    os.nice(_KINDER)


def _end_with_whoever_asked() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def _say(value: object) -> None:
    sys.stdout.buffer.write(line_of(value))
    if isinstance(value, dict):
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
