"""Separate threads for hashing passwords, each with a short queue.

A hash takes a core for a tenth of a second and 64 MiB. In the threads that all requests share, many strangers signing
in would occupy every one of them, and nobody else would be answered.
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
_RETRY_SECONDS = (3, 12)  # random, so that a crowd does not come back all at once
_NICENESS = 5  # as for a trainer: annotators come before sign-ins
_BUSY = "Too many people sign in right now. Try again in {seconds} seconds."

T = TypeVar("T")


class HashingQueue:
    """Runs one piece of work after another, in a thread of low priority."""

    def __init__(self, *, most_waiting: int = MOST_WAITING) -> None:
        self._threads = ThreadPoolExecutor(1, "hashing", initializer=_give_way)
        self._places = threading.Semaphore(most_waiting)

    async def run(self, work: Callable[[], T]) -> T:
        """Run work when its turn comes. Raises BusyError at once when the queue is full, and what the work raises."""
        if not self._places.acquire(blocking=False):
            raise BusyError(_BUSY, seconds=random.randint(*_RETRY_SECONDS))
        turn = self._threads.submit(work)
        # when the work ends, not when the caller is cancelled: the work may continue without the caller
        turn.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(turn)


def _give_way() -> None:
    """Lower the priority of this thread, where the system supports that (Linux)."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
