"""Threads of its own for hashing passwords, and a short queue before them.

A hash takes a core for a tenth of a second and 64 MiB. In the threads that all requests share, a crowd of strangers at
the sign-in would take every one of them, and nobody else would be answered. Knows nothing of passwords.
"""

import asyncio
import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from data.errors import BusyError

MOST_WAITING = 16
_RETRY_SECONDS = (3, 12)  # a full queue takes the first; spread, or a crowd would come again all at once
_NICENESS = 5  # as a trainer has: annotators come before those who sign in
_BUSY = "Too many people sign in right now. Try again in {seconds} seconds."

T = TypeVar("T")


class HashingQueue:
    """Does one piece of work after the other, in a thread that gives way to all others."""

    def __init__(self, *, most_waiting: int = MOST_WAITING) -> None:
        self._threads = ThreadPoolExecutor(1, "hashing", initializer=_give_way)
        self._places = threading.Semaphore(most_waiting)

    async def run(self, work: Callable[[], T]) -> T:
        """Do work when its turn comes. Raises BusyError at once when too much waits, and what the work raises."""
        if not self._places.acquire(blocking=False):
            raise BusyError(_BUSY, seconds=random.randint(*_RETRY_SECONDS))
        turn = self._threads.submit(work)
        # When the work is over, and not when whoever waits for it goes away: it may run on without them.
        turn.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(turn)


def _give_way() -> None:
    """Lower the priority of this thread, where the system knows threads for that (Linux)."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
