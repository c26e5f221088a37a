"""Shutdown of a server: what it waits for, and how long.

SIGTERM ends a server within 15 seconds: 3 for answers in progress (app/web/server.py), then those here.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, NoReturn

CLOSING_SECONDS = 6.0
"""Seconds for a trainer to write its checkpoint (it can finish without a server), and for long jobs to stop."""


async def closed_in_time(closing: Coroutine[Any, Any, object]) -> None:
    """Wait for something to close, within a time limit."""
    with suppress(TimeoutError):
        await asyncio.wait_for(closing, CLOSING_SECONDS)


def run_to_the_end(main: Coroutine[Any, Any, None]) -> NoReturn:
    """Run main and end the process with 0 when it has ended; exceptions of main are raised.

    The process ends at once: otherwise Python would wait for every thread still at work, such as one that counts the
    rows of an export, and asyncio would kill a trainer that is writing its checkpoint. Main has closed the store by
    then.
    """

    async def then_end() -> NoReturn:
        await main
        sys.stdout.flush()
        logging.shutdown()
        os._exit(0)

    asyncio.run(then_end())
    raise AssertionError("the process has ended")
