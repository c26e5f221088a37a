"""The single writer thread: runs queued jobs, up to 64 of them in one durable commit.

Many threads with a connection each were measured at a tenth of the commits per second and
with seconds of waiting.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic, TypeVar

import sqlite_utils

from data.errors import HomeError

MOST_JOBS_IN_A_COMMIT = 64

T = TypeVar("T")


class _Job(Generic[T]):
    """A function to run and the future of its result."""

    def __init__(self, work: Callable[[sqlite_utils.Database], T]) -> None:
        self._work = work
        self.future: Future[T] = Future()

    def run(self, db: sqlite_utils.Database) -> Callable[[], None]:
        """Run the function in a savepoint; return a function that settles the future, to call after the commit.

        Raises what the function raised only if that ended the whole transaction (a full disk does).
        """
        try:
            with db.atomic():
                result = self._work(db)
        except BaseException as error:
            if not db.conn.in_transaction:
                raise
            return partial(self.future.set_exception, error)
        return partial(self.future.set_result, result)


class Writer:
    """Owns the only connection that writes; callers hand in functions to run on it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = sqlite_utils.Database(connection, execute_plugins=False)
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="prefloop-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite_utils.Database], T]) -> Future[T]:
        """Queue a function; its future is settled after the commit that holds its writes.

        The function may run twice (again alone, if another job ended their common transaction), so it must
        touch nothing but the database. Raises HomeError when closed and RuntimeError when called from
        such a function, which would wait for itself.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("a write inside a write would wait for itself; use the database handed in")
        job = _Job(work)
        with self._gate:
            if self._closed:
                raise HomeError("the store is closed; open it again to write")
            self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Finish queued jobs, move the write-ahead log into the file, close the connection."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        try:
            self._db.execute("pragma wal_checkpoint(truncate)").fetchall()
        finally:
            self._db.close()

    def _serve(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs, stop = self._with_those_waiting(first)
            self._commit(jobs)
            if stop:
                return

    def _with_those_waiting(self, first: _Job[Any]) -> tuple[list[_Job[Any]], bool]:
        jobs = [first]
        while len(jobs) < MOST_JOBS_IN_A_COMMIT:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False

    def _commit(self, jobs: list[_Job[Any]]) -> None:
        try:
            # IMMEDIATE: a deferred transaction that reads first fails with "locked" when it writes.
            self._db.execute("begin immediate")
            settlements = [job.run(self._db) for job in jobs]
            self._db.execute("commit")
        except BaseException as error:
            self._db.rollback()
            self._part(jobs, error)
        else:
            for settle in settlements:
                settle()

    def _part(self, jobs: list[_Job[Any]], error: BaseException) -> None:
        """Run each job in a transaction of its own, since one of them may have ended the common one."""
        if len(jobs) == 1:
            jobs[0].future.set_exception(error)
            return
        for job in jobs:
            self._commit([job])
