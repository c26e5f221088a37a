"""The wall clock, as something that can be handed in. Knows nothing of who asks for the time."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Gives the present in milliseconds since the Unix epoch; may jump, so never order by it."""


def now_ms() -> int:
    """The present in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000
