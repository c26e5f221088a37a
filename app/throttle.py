"""Makes guessing slow: after a few failures each further try must wait, longer every time.

A try counts in one or more buckets, such as "this address with this login"; the fullest one decides. Knows
nothing of passwords.
"""

import threading
from dataclasses import dataclass

from data.clock import Clock

_FIRST_WAIT_MS = 1_000
_LONGEST_WAIT_MS = 300_000
_FORGET_MS = 3_600_000
_MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """What tries are counted by, and how many may fail before the next must wait."""

    name: str
    free_tries: int


@dataclass(slots=True)
class _Failures:
    count: int
    last: int

    def wait_ms(self, free_tries: int) -> int:
        over = self.count - free_tries
        return 0 if over < 0 else min(_LONGEST_WAIT_MS, _FIRST_WAIT_MS << min(over, 20))


class Throttle:
    """Counts the failures in each bucket and says how long the next try must wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: dict[str, _Failures] = {}

    def claim(self, *buckets: Bucket) -> int:
        """Take a try: 0 if it may go ahead, else the milliseconds still to wait; then nothing is counted.

        The try counts as failed until `clear`, so that tries at the same moment cannot all slip through.
        """
        with self._lock:
            now = self._clock()
            kept = [self._kept(bucket, now) for bucket in buckets]
            pairs = zip(kept, buckets, strict=True)
            left = max(failures.last + failures.wait_ms(bucket.free_tries) - now for failures, bucket in pairs)
            if left > 0:
                return left
            for failures in kept:
                failures.count += 1
                failures.last = now
            self._forget_oldest()
            return 0

    def clear(self, *buckets: Bucket) -> None:
        """The try went well: forget the failures."""
        with self._lock:
            for bucket in buckets:
                self._failures.pop(bucket.name, None)

    def _kept(self, bucket: Bucket, now: int) -> _Failures:
        """What is known of a bucket, which becomes the one used last."""
        failures = self._failures.pop(bucket.name, None)
        if failures is None or now - failures.last > _FORGET_MS:
            failures = _Failures(0, now)
        failures.last = min(failures.last, now)  # or a clock that jumped back would lock people out
        self._failures[bucket.name] = failures
        return failures

    def _forget_oldest(self) -> None:
        while len(self._failures) > _MOST_BUCKETS:
            del self._failures[next(iter(self._failures))]
