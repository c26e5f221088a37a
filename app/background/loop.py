"""A background loop: a step that is repeated until the server ends, with its last error.

The loop survives any error of a step, since nobody would restart it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from data.errors import PrefloopError

_LOG = logging.getLogger(__name__)


class Loop:
    """Repeats a step: every `every` seconds, sooner when woken, or after the seconds that the step returns.

    again: seconds to the next try after a step that failed; `every` if None. rest: minimum seconds between two steps,
    however often it is woken. name: for the log and the overview.
    last_error: the last error in words; the step's owner sets it to None when it is resolved.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[float | None]],
        *,
        every: float,
        again: float | None = None,
        rest: float = 0.0,
    ) -> None:
        self.name = name
        self.every = every
        self.last_error: str | None = None
        self._step = step
        self._again = again
        self._rest = rest
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Run the next step now."""
        self._woken.set()

    async def run(self) -> None:
        """Run one step after another until cancelled."""
        while True:
            self._woken.clear()
            pause = await self._guarded()
            await asyncio.sleep(self._rest)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    def failed(self, error: Exception) -> None:
        """Store an error."""
        self.last_error = in_words(error, during=self.name, before=self.last_error)

    async def _guarded(self) -> float:
        """Take a step; returns the seconds to the next."""
        try:
            pause = await self._step()
        except Exception as error:
            self.failed(error)
            pause = self._again
        return self.every if pause is None else pause


def in_words(error: Exception, *, during: str, before: str | None = None) -> str:
    """Describe an error for people. An unexpected one is logged, unless it equals the one before.

    during: what was being done, for the log.
    """
    if isinstance(error, PrefloopError):
        return str(error)
    words = f"unexpected: {error!r}"
    if words != before:
        _LOG.error("%s", during, exc_info=error)
    return words
