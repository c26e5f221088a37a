import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.background.loop import Loop, in_words
from data.errors import ConflictError
from tests.app.until import until


def test_an_error_of_ours_has_its_words_and_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert in_words(ConflictError("A round runs."), during="something") == "A round runs."
    assert not caplog.records


def test_any_other_is_logged_once_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    said = in_words(RuntimeError("boom"), during="pairs were made")
    assert said == "unexpected: RuntimeError('boom')"
    assert in_words(RuntimeError("boom"), during="pairs were made", before=said) == said
    [record] = caplog.records
    assert (record.levelno, record.message) == (logging.ERROR, "pairs were made")
    assert record.exc_info is not None


@asynccontextmanager
async def running(loop: Loop) -> AsyncIterator[None]:
    task = asyncio.create_task(loop.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_loop_steps_at_once_and_again_when_it_is_woken() -> None:
    steps: list[int] = []

    async def step() -> None:
        steps.append(1)

    loop = Loop("counting", step, every=3600)
    async with running(loop):
        await until(lambda: len(steps) == 1)
        loop.wake()
        await until(lambda: len(steps) == 2)


async def test_what_wakes_it_during_a_step_is_not_lost() -> None:
    steps: list[int] = []

    async def step() -> None:
        steps.append(1)
        if len(steps) == 1:
            loop.wake()

    loop = Loop("counting", step, every=3600)
    async with running(loop):
        await until(lambda: len(steps) == 2)


async def test_a_step_says_when_the_next_is_due() -> None:
    steps: list[int] = []

    async def step() -> float:
        steps.append(1)
        return 0.0

    async with running(Loop("counting", step, every=3600)):
        await until(lambda: len(steps) > 3)


async def test_a_step_that_fails_is_told_and_taken_again() -> None:
    steps: list[int] = []

    async def step() -> float:
        steps.append(1)
        if len(steps) < 3:
            raise ConflictError("A round runs.")
        loop.last_error = None
        await asyncio.Event().wait()
        return 0.0

    loop = Loop("starting rounds", step, every=0.0)
    loop.failed(ConflictError("nothing yet"))
    assert loop.last_error == "nothing yet"
    async with running(loop):
        await until(lambda: len(steps) == 3)
        assert loop.last_error is None


async def test_a_loop_rests_however_often_it_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        rests.append(seconds)
        await sleep(0)

    async def step() -> None:
        loop.wake()

    loop = Loop("deciding", step, every=3600, rest=7.0)
    monkeypatch.setattr("app.background.loop.asyncio.sleep", noted)
    async with running(loop):
        await until(lambda: rests.count(7.0) >= 3)


async def test_after_an_error_the_next_try_may_come_sooner() -> None:
    steps: list[int] = []

    async def step() -> None:
        steps.append(1)
        raise ConflictError("not yet")

    async with running(Loop("deciding", step, every=3600, again=0.0)):
        await until(lambda: len(steps) > 2)
