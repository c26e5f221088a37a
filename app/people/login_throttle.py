"""Makes guessing slow: after a few failures each further try must wait, longer every time.

A try counts in one or more buckets, such as "this address with this login"; the fullest one decides. The counts stand
in a table of fixed size, at a place that a secret says: nothing is ever thrown out of it, so no flood of made-up names
can wash out a count. Two names that share a place share a count. Knows nothing of passwords.
"""

import hashlib
import secrets
import threading
from dataclasses import dataclass

from data.support.clock import Clock

_FIRST_WAIT_MS = 1_000
_LONGEST_WAIT_MS = 300_000
_FORGET_MS = 3_600_000
_PLACES = 2**20  # 20 MB once all are in use; an hour of sign-ins without a pause uses a tenth


@dataclass(frozen=True, slots=True)
class Bucket:
    """What tries are counted by, and how many may fail before the next must wait.

    fades: whether so many failures an hour are forgotten all the while, for what many people share.
    """

    name: str
    free_tries: int
    fades: bool = False


class Throttle:
    """Counts the failures in each bucket and says how long the next try must wait."""

    def __init__(self, clock: Clock, *, places: int = _PLACES) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._secret = secrets.token_bytes(16)
        self._counts = memoryview(bytearray(4 * places)).cast("I")
        self._last = memoryview(bytearray(8 * places)).cast("q")  # when the newest failure was, in ms
        self._faded = memoryview(bytearray(8 * places)).cast("q")  # until when fading is counted in, in ms

    def claim(self, *buckets: Bucket) -> int:
        """Take a try: 0 if it may go ahead, else the milliseconds still to wait; then nothing is counted.

        The try counts as failed until `clear` or `take_back`, so that tries at the same moment cannot all slip through.
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
        """The try went well: forget the failures."""
        with self._lock:
            for bucket in buckets:
                self._counts[self._place(bucket)] = 0

    def take_back(self, *buckets: Bucket) -> None:
        """The try was none, or says nothing of the others that are counted with it."""
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
        self._last[place] = min(self._last[place], now)  # or a clock that jumped back would lock people out
        if now - self._last[place] > _FORGET_MS:
            self._counts[place] = 0
        if self._counts[place] == 0 or self._faded[place] > now:
            self._faded[place] = now
        if bucket.fades:
            each = _FORGET_MS // bucket.free_tries
            fading = (now - self._faded[place]) // each
            self._counts[place] -= min(self._counts[place], fading)
            self._faded[place] += fading * each
