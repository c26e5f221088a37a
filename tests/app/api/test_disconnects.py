"""Work for one client ends when the client leaves, and only then."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from fastapi import Request

from app.api.disconnects import while_connected
from data.errors import ConflictError, InputError

Message = dict[str, object]


def request(receive: Callable[[], Awaitable[Message]]) -> Request:
    return Request({"type": "http", "method": "POST", "headers": []}, receive)


async def stays() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def test_work_ends_with_its_client() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def leaves() -> Message:
        await begun.wait()
        return {"type": "http.disconnect"}

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(ConflictError, match="The client has left"):
        await while_connected(request(leaves), work())
    assert ended.is_set()


async def test_what_comes_of_work_is_given_to_a_client_that_stays() -> None:
    async def work() -> int:
        return 7

    async def fails() -> int:
        raise InputError("no")

    assert await while_connected(request(stays), work()) == 7
    with pytest.raises(InputError, match="no"):
        await while_connected(request(stays), fails())
