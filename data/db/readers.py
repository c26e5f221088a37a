"""A pool of read-only connections, each borrowed by one thread at a time.

A pool and not a connection per thread: a web server's worker threads come and go, and each would
leave an open file behind.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import HomeError


class Readers:
    """A pool of `mode=ro` connections that grows with the number of threads reading at once."""

    def __init__(self, path: Path) -> None:
        self._uri = f"{path.resolve().as_uri()}?mode=ro"
        self._gate = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def borrowed(self) -> Iterator[sqlite3.Connection]:
        """Borrow a connection whose rows are sqlite3.Row. Raises HomeError when closed."""
        connection = self._take()
        try:
            yield connection
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close idle connections now and borrowed ones when they are returned."""
        with self._gate:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> sqlite3.Connection:
        with self._gate:
            if self._closed:
                raise HomeError("the store is closed; open it again to read")
            if self._idle:
                return self._idle.pop()
        connection = sqlite3.connect(self._uri, uri=True, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._gate:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()
