"""The end of a server: what it waits for, and for how long. Knows nothing of what runs.

SIGTERM ends a server within 15 seconds: 3 for answers under way (app/web/server.py), then those here.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, NoReturn

CLOSING_SECONDS = 6.0
"""For a trainer to write its checkpoint, which it goes on to do without a server, and for long work to break off."""


async def closed_in_time(closing: Coroutine[Any, Any, object]) -> None:
    """Wait for something to close, but not for ever."""
    with suppress(TimeoutError):
        await asyncio.wait_for(closing, CLOSING_SECONDS)


def run_to_the_end(main: Coroutine[Any, Any, None]) -> NoReturn:
    """Run main, and end the process with 0 when it has ended; what main raises is raised.

    At once: Python would wait for each thread that is still at work, such as for one that counts what an export would
    hold, and asyncio would kill a trainer that still writes its checkpoint. Main has closed the store by then.
    """

    async def then_end() -> NoReturn:
        await main
        sys.stdout.flush()
        logging.shutdown()
        os._exit(0)

    asyncio.run(then_end())
    raise AssertionError("the process has ended")
