"""Slow down password guessing: after a few failures each further attempt must wait, longer every time.

An attempt counts in one or more buckets, such as "this address with this login"; the fullest one decides. The counts
are in a table of fixed size, at an index derived with a secret: nothing is ever evicted, so no flood of made-up names
can clear a count. Two names with the same index share a count.
"""

import hashlib
import secrets
import threading
from dataclasses import dataclass

from data.support.clock import Clock

_FIRST_WAIT_MS = 1_000
_LONGEST_WAIT_MS = 300_000
_FORGET_MS = 3_600_000
_PLACES = 2**20  # 20 MB once all are in use; an hour of continuous sign-ins uses a tenth


@dataclass(frozen=True, slots=True)
class Bucket:
    """What attempts are counted by, and how many may fail before the next must wait.

    fades: whether failures are forgotten continuously, free_tries per hour; for buckets that many people share.
    """

    name: str
    free_tries: int
    fades: bool = False


class Throttle:
    """Counts the failures in each bucket and says how long the next attempt must wait."""

    def __init__(self, clock: Clock, *, places: int = _PLACES) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._secret = secrets.token_bytes(16)
        self._counts = memoryview(bytearray(4 * places)).cast("I")
        self._last = memoryview(bytearray(8 * places)).cast("q")  # time of the newest failure, in ms
        self._faded = memoryview(bytearray(8 * places)).cast("q")  # time up to which fading is applied, in ms

    def claim(self, *buckets: Bucket) -> int:
        """Count an attempt and return 0 if it may proceed; else return the milliseconds to wait, and count nothing.

        The attempt counts as failed until `clear` or `take_back`, so that simultaneous attempts cannot all pass.
        """
        with self._lock:
            now = self._clock()
            placed = [(bucket, self._place(bucket)) for bucket in buckets]
            for bucket, place in placed:
                self._forget(bucket, place, now)
            left = max(self._last[place] + self._wait_ms(bucket, place) - now for bucket, place in placed)
            if left > 0:
                return left
            for place in {place for _, place in placed}:
                self._counts[place] += 1
                self._last[place] = now
            return 0

    def clear(self, *buckets: Bucket) -> None:
        """Forget the failures, as the attempt succeeded."""
        with self._lock:
            for bucket in buckets:
                self._counts[self._place(bucket)] = 0

    def take_back(self, *buckets: Bucket) -> None:
        """Undo an attempt's count: it did not take place, or says nothing about others that share the bucket."""
        with self._lock:
            for place in {self._place(bucket) for bucket in buckets}:
                self._counts[place] = max(0, self._counts[place] - 1)

    def _place(self, bucket: Bucket) -> int:
        digest = hashlib.blake2b(bucket.name.encode("utf-8", "surrogatepass"), digest_size=8, key=self._secret).digest()
        return int.from_bytes(digest) % len(self._counts)

    def _wait_ms(self, bucket: Bucket, place: int) -> int:
        over = self._counts[place] - bucket.free_tries
        return 0 if over < 0 else min(_LONGEST_WAIT_MS, _FIRST_WAIT_MS << min(over, 20))

    def _forget(self, bucket: Bucket, place: int, now: int) -> None:
        self._last[place] = min(self._last[place], now)  # so that a clock that jumped back locks nobody out
        if now - self._last[place] > _FORGET_MS:
            self._counts[place] = 0
        if self._counts[place] == 0 or self._faded[place] > now:
            self._faded[place] = now
        if bucket.fades:
            each = _FORGET_MS // bucket.free_tries
            fading = (now - self._faded[place]) // each
            self._counts[place] -= min(self._counts[place], fading)
            self._faded[place] += fading * each
