"""How a server ends: in time, whatever still runs."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from app.background.shutdown import closed_in_time

ROOT = Path(__file__).parents[3]

ENDING = """
import asyncio, threading, time
from app.background.shutdown import run_to_the_end

async def main():
    threading.Thread(target=time.sleep, args=(3600,)).start()
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 3600)
    print("closed")

run_to_the_end(main())
"""


def test_no_thread_that_is_at_work_keeps_an_ended_server_alive() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDING], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "closed\n")


async def test_what_does_not_close_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.background.shutdown.CLOSING_SECONDS", 0.01)
    begun = asyncio.Event()

    async def closing() -> None:
        begun.set()
        await asyncio.Event().wait()

    await closed_in_time(closing())
    assert begun.is_set()
