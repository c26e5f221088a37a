"""Makers side by side."""

import asyncio

from app.annotation.crew import Crew


async def test_each_end_is_told_while_others_are_at_work() -> None:
    ended, gate = asyncio.Event(), asyncio.Event()
    crew = Crew(ended.set)

    async def wait() -> None:
        await gate.wait()

    async def nothing() -> None:
        pass

    crew.start(wait())
    crew.start(nothing())
    await ended.wait()
    assert len(crew) == 1
    gate.set()
    await crew.idle()
    assert not crew


async def test_those_that_begin_meanwhile_are_waited_for_too() -> None:
    crew, done = Crew(lambda: None), []

    async def last() -> None:
        await asyncio.sleep(0)
        done.append("last")

    async def first() -> None:
        await asyncio.sleep(0)
        crew.start(last())

    crew.start(first())
    await crew.idle()
    assert done == ["last"]


async def test_closing_breaks_all_off() -> None:
    crew, broken = Crew(lambda: None), asyncio.Event()

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            broken.set()
            raise

    crew.start(long())
    await asyncio.sleep(0)
    await crew.close()
    assert broken.is_set() and not crew
