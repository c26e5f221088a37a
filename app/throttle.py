"""Makes guessing slow: after a few failures each further try of one caller must wait, longer every time.

Knows nothing of passwords; a caller is any string.
"""

import threading
from dataclasses import dataclass

from data.clock import Clock

_FREE_TRIES = 5
_FIRST_WAIT_MS = 1_000
_LONGEST_WAIT_MS = 300_000
_FORGET_MS = 3_600_000
_MOST_CALLERS = 10_000


@dataclass(slots=True)
class _Failures:
    count: int
    last: int

    @property
    def wait_ms(self) -> int:
        over = self.count - _FREE_TRIES
        return 0 if over < 0 else min(_LONGEST_WAIT_MS, _FIRST_WAIT_MS << min(over, 20))


class Throttle:
    """Counts the failures of each caller and says how long the next try must wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._callers: dict[str, _Failures] = {}

    def claim(self, caller: str) -> int:
        """Take a try: 0 if it may go ahead, else the milliseconds still to wait.

        The try counts as failed until `clear`, so that tries at the same moment cannot all slip through.
        """
        with self._lock:
            now = self._clock()
            failures = self._callers.pop(caller, None)
            if failures is None or now - failures.last > _FORGET_MS:
                failures = _Failures(0, now)
            self._callers[caller] = failures
            failures.last = min(failures.last, now)  # or a clock that jumped back would lock people out
            left = failures.last + failures.wait_ms - now
            if left > 0:
                return left
            failures.count += 1
            failures.last = now
            while len(self._callers) > _MOST_CALLERS:
                del self._callers[next(iter(self._callers))]
            return 0

    def clear(self, caller: str) -> None:
        """The try went well: forget the failures."""
        with self._lock:
            self._callers.pop(caller, None)
