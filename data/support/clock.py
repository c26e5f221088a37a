"""The wall clock as a function, so that tests can pass another."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns the time in milliseconds since the Unix epoch; it may jump, so never order by it."""


def now_ms() -> int:
    """Return the time in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000
