"""One SQLite file: a single writer with group commit, readers beside it, and errors with clear messages.

SQLite before 3.51.3 can lose commits when two connections write or checkpoint at once; so one
connection writes, all others are read-only, and a HomeLock (see lock.py) keeps other processes out.
Opening it runs the migrations.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlite_utils

from data.db import migrations
from data.db.readers import Readers
from data.db.writer import Writer
from data.errors import ConflictError, DiskFullError, HomeError
from data.support.atomic_files import replacing
from data.support.disk import is_full

APPLICATION_ID = int.from_bytes(b"pref")
_PAGES_COPIED = 1024  # per step
_MAGIC = b"SQLite format 3\0"
_CACHE_KIB = 65_536  # importing a million rows touches whole indexes: the default 2 MB would reread them all the time
_ROWS_IN_A_CHUNK = 256  # few enough not to trigger a full garbage collection
_APPLICATION_ID_AT = 68  # https://www.sqlite.org/fileformat.html#application_id

Row = dict[str, Any]
Params = Sequence[object] | Mapping[str, object]
T = TypeVar("T")

_UNUSABLE = {
    sqlite3.SQLITE_CORRUPT: "is damaged; restore a backup",
    sqlite3.SQLITE_NOTADB: "is damaged or no database; restore a backup",
    sqlite3.SQLITE_IOERR: "cannot be read or written; check the disk",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check that it and its directory can be written",
    sqlite3.SQLITE_READONLY: "cannot be written; check the permissions of it and its directory",
    sqlite3.SQLITE_BUSY: "is being written by another program; close that one",
}


def first(db: sqlite_utils.Database, sql: str, params: Params = ()) -> Row | None:
    """Return the first row of a query, inside a write transaction; None without any."""
    return next(iter(list(db.query(sql, _bound(params)))), None)


def insert(db: sqlite_utils.Database, table: str, values: Mapping[str, object]) -> int:
    """Insert one row, inside a write transaction, and return its id."""
    columns, marks = ", ".join(values), ", ".join(f":{column}" for column in values)
    sql = f"insert into {table} ({columns}) values ({marks}) returning id"
    return int(next(iter(list(db.query(sql, dict(values)))))["id"])


class ReadDatabase:
    """The file, open for reading, whatever other process owns it. Safe to use from any thread; close it when done."""

    def __init__(self, path: Path) -> None:
        """Open an existing file, without changing it.

        Raises HomeError when it does not exist, is not prefloop's, is damaged, or cannot be opened.
        """
        self.path = path
        with _in_words(path):
            _assert_ours(path)
            self._readers = Readers(path)

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        """Return all rows of a query, as dicts. Raises HomeError when the file cannot be read."""
        with _in_words(self.path), self._readers.borrowed() as connection:
            return [dict(row) for row in connection.execute(sql, _bound(params))]

    def each(self, sql: str) -> Iterator[Row]:
        """Yield the rows of a query one at a time, for results larger than memory. Raises HomeError while iterating."""
        with _in_words(self.path), self._readers.borrowed() as connection:
            for row in connection.execute(sql):
                yield dict(row)

    @contextmanager
    def moment(self) -> Iterator["Moment"]:
        """Open a read transaction: several reads of the same state. Raises HomeError when the file cannot be read."""
        with _in_words(self.path), self._readers.borrowed() as connection:
            connection.execute("begin")
            try:
                yield Moment(connection)
            finally:
                connection.rollback()

    def row(self, sql: str, params: Params = ()) -> Row | None:
        """Return the first row of a query, or None."""
        return next(iter(self.rows(sql, params)), None)

    def value(self, sql: str, params: Params = ()) -> int:
        """Return the number that a query of one row and one column gives."""
        [row] = self.rows(sql, params)
        return int(next(iter(row.values())))

    def lent(self) -> AbstractContextManager[sqlite3.Connection]:
        """Borrow a read-only connection until the block ends."""
        return self._readers.borrowed()

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._readers.close()


class Database(ReadDatabase):
    """The open file, which this process owns. Safe to use from any thread; close it (or use `with`) when done."""

    def __init__(self, path: Path) -> None:
        """Open `path`, creating it (and its directory) if it does not exist, and migrate it.

        Raises HomeError when the file is not prefloop's, damaged, newer than this program, or cannot
        be opened or written.
        """
        with _in_words(path):
            if not path.exists():
                _create(path)
            super().__init__(path)
            self._writer = Writer(_open_for_writing(path))

    def write(self, work: Callable[[sqlite_utils.Database], T]) -> T:
        """Run a function in a transaction and return its result once the commit is on disk.

        The function must read through the database it is given and touch nothing else; see
        Writer.submit. Raises what the function raised, after rolling back its writes, and HomeError
        when the file cannot be written.
        """
        with _in_words(self.path):
            return self._writer.submit(work).result()

    def backup(self, path: Path) -> None:
        """Copy the whole database to a new file while reading and writing go on.

        Raises ConflictError if `path` exists, HomeError if it cannot be written.
        """
        if path.exists():
            raise ConflictError(f"{path} exists already; name a new file for the backup")
        with (
            _in_words(path),
            replacing(path) as fresh,
            closing(sqlite3.connect(fresh)) as copy,
            self._readers.borrowed() as source,
        ):
            source.backup(copy)

    def close(self) -> None:
        """Finish queued writes and leave a single file without a write-ahead log. Idempotent."""
        super().close()
        with _in_words(self.path):
            self._writer.close()


def copy_database(path: Path, target: Path, told: Callable[[int], None]) -> None:
    """Copy a database, as of one moment, to a new file, while others keep reading and writing.

    Uses a read-only connection, so it works beside the process that owns the file. told: called with the number of
    bytes copied since; what it raises cancels the copy. Raises HomeError when it cannot be read or written.
    """
    with closing(ReadDatabase(path)) as database, _in_words(path), database.lent() as source:
        size = source.execute("pragma page_size").fetchone()[0]
        source.execute("begin")  # else the copy would restart at each write
        source.execute("select count(*) from sqlite_schema").fetchone()
        with closing(sqlite3.connect(target)) as copy:
            try:
                source.backup(copy, pages=_PAGES_COPIED, progress=lambda *_: told(size * _PAGES_COPIED))
            except sqlite3.OperationalError as error:
                if is_full(error, target) or error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                    raise DiskFullError(target) from error
                raise


class Moment:
    """A read transaction; valid until `ReadDatabase.moment` ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        """Return all rows of a query, as dicts."""
        return [dict(row) for row in self._connection.execute(sql, _bound(params))]

    def value(self, sql: str, params: Params = ()) -> int:
        """Return the number that a query of one row and one column gives."""
        [row] = self.rows(sql, params)
        return int(next(iter(row.values())))

    def in_chunks(self, sql: str, params: Params = ()) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a query as tuples, in chunks."""
        with closing(self._connection.cursor()) as cursor:
            cursor.row_factory = None
            cursor.execute(sql, _bound(params))
            while chunk := cursor.fetchmany(_ROWS_IN_A_CHUNK):
                yield chunk


def _bound(params: Params) -> Sequence[object] | dict[str, Any]:
    return dict(params) if isinstance(params, Mapping) else params


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the file system about an unusable file into a HomeError."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        # on a full disk SQLite cannot even open a database: its shared-memory file needs space
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and is_full(error, path)):
            raise DiskFullError(path) from error
        reason = _UNUSABLE.get(code)
        if reason is None:
            raise
        raise HomeError(f"{path} {reason} (SQLite: {error})") from error
    except OSError as error:
        if is_full(error, path):
            raise DiskFullError(path) from error
        raise HomeError(f"{path} cannot be used: {error.strerror}; check the path and its permissions") from error


def _create(path: Path) -> None:
    """Create an empty database that has our application id from the moment it has its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as fresh, closing(sqlite3.connect(fresh, isolation_level=None)) as connection:
        connection.execute(f"pragma application_id = {APPLICATION_ID}")
        connection.execute("pragma journal_mode = wal")


def _assert_ours(path: Path) -> None:
    """Check the header only: opening a foreign database could already change it."""
    with path.open("rb") as file:
        header = file.read(_APPLICATION_ID_AT + 4)
    if not header:
        raise HomeError(f"{path} is empty, so its data is gone; restore a backup, or delete it to start anew")
    mark = int.from_bytes(header[_APPLICATION_ID_AT:])
    if not header.startswith(_MAGIC) or mark != APPLICATION_ID:
        raise HomeError(f"{path} was not made by prefloop (or is damaged); choose another --home")


def _open_for_writing(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for pragma in ("journal_mode=wal", "synchronous=full", "secure_delete=on", f"cache_size={-_CACHE_KIB}"):
            connection.execute(f"pragma {pragma}").fetchall()
        # recursive_triggers: without it REPLACE would delete rows without firing the append-only trigger.
        db = sqlite_utils.Database(connection, execute_plugins=False, recursive_triggers=True)
        if unknown := migrations.unknown_steps(db):
            raise HomeError(f"{path} was made by a newer prefloop (it has {unknown[0]}); update prefloop")
        migrations.STEPS.apply(db)
        # only now: a step may recreate a table, and dropping the old one would violate foreign keys to it
        connection.execute("pragma foreign_keys=on")
    except BaseException:
        connection.close()
        raise
    return connection
