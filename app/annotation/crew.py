"""A set of concurrent tasks: when one ends, the owner can start the next, without waiting for the slowest."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Crew:
    """Running tasks. ended: called whenever one has ended, in whatever way."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended
        self._at_work: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._at_work)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task, which must handle its own errors."""
        task = asyncio.create_task(work)
        self._at_work.add(task)
        task.add_done_callback(self._leave)

    async def idle(self) -> None:
        """Wait until all tasks have ended, including those started meanwhile."""
        while self._at_work:
            await asyncio.wait(self._at_work)

    async def close(self) -> None:
        """Cancel all tasks."""
        for task in self._at_work:
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    def _leave(self, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        self._ended()
