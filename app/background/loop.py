"""Background work: a step that is repeated until the server ends, and what last went wrong in it.

Nobody asked for a step and nobody would start the loop again, so it outlives every error.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from data.errors import PrefloopError

_LOG = logging.getLogger(__name__)


class Loop:
    """Repeats a step: every so many seconds, sooner when woken, or after as many as the step itself returns.

    rest: seconds between two steps at least, however often it is woken. name: what goes on, for the log and the
    overview. last_error: what went wrong last, in words; the step's owner sets it to None when that is over.
    """

    def __init__(
        self, name: str, step: Callable[[], Awaitable[float | None]], *, every: float, rest: float = 0.0
    ) -> None:
        self.name = name
        self.every = every
        self.last_error: str | None = None
        self._step = step
        self._rest = rest
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Take the next step now."""
        self._woken.set()

    async def run(self) -> None:
        """Take one step after the other until cancelled."""
        while True:
            self._woken.clear()
            pause = await self._guarded()
            await asyncio.sleep(self._rest)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    def failed(self, error: Exception) -> None:
        """Keep what went wrong."""
        self.last_error = in_words(error, during=self.name, before=self.last_error)

    async def _guarded(self) -> float:
        try:
            pause = await self._step()
        except Exception as error:
            self.failed(error)
            pause = None
        return self.every if pause is None else pause


def in_words(error: Exception, *, during: str, before: str | None = None) -> str:
    """An error as people read it. An unforeseen one is logged, unless it says the same as the one before.

    during: what went on, for the log.
    """
    if isinstance(error, PrefloopError):
        return str(error)
    words = f"unexpected: {error!r}"
    if words != before:
        _LOG.error("%s", during, exc_info=error)
    return words
