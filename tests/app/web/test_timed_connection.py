"""Which connections are cut, by a server over a real socket; each test waits until the other side hangs up."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.web.listening import listening
from app.web.timed_connection import TimedConnection

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_SOON = 0.05


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads nothing of a body."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def flood(scope: Scope, receive: Receive, send: Send) -> None:
    """More than fits between two that do not read."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1000):
        await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})


@asynccontextmanager
async def connected(app: App, connection: type[TimedConnection]) -> AsyncIterator[tuple[uvicorn.Server, Streams]]:
    with listening("127.0.0.1", 0) as at:
        config = uvicorn.Config(app, http=connection, log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[*at.sockets]))
        client = socket.create_connection(at.sockets[0].getsockname()[:2])
        reader, writer = await asyncio.open_connection(sock=client)
        try:
            yield server, (reader, writer)
        finally:
            writer.close()
            server.should_exit = True
            await serving


def quick(**limits: float) -> type[TimedConnection]:
    return type("Quick", (TimedConnection,), limits)


async def hung_up(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other side hangs up."""
    said = b""
    try:
        while part := await reader.read(65_536):
            said += part
    except ConnectionResetError:
        pass
    return said


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nhost: x\r\nx-slow:"])
async def test_a_head_that_does_not_come_to_its_end_is_given_up(sent: bytes):
    async with connected(answer, quick(head_seconds=_SOON)) as (_, (reader, writer)):
        writer.write(sent)
        assert await hung_up(reader) == b""


async def test_so_is_the_second_one_of_a_connection():
    async with connected(answer, quick(head_seconds=_SOON)) as (_, (reader, writer)):
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"ok")
        writer.write(b"G")
        assert await hung_up(reader) == b""


async def test_between_two_requests_people_may_think():
    async with connected(answer, TimedConnection) as (server, (reader, writer)):
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"ok")
        [connection] = server.server_state.connections
        assert isinstance(connection, TimedConnection)
        assert connection.timeout_keep_alive_task is not None
        assert connection._head_timer is None


async def test_who_sends_on_what_nobody_reads_gets_the_answer_and_is_cut():
    async with connected(answer, quick(most_left_over=1000, linger_seconds=_SOON)) as (_, (reader, writer)):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n" + bytes(2000))
        assert (await hung_up(reader)).endswith(b"ok")


async def test_so_is_who_stops_amid_what_nobody_reads():
    async with connected(answer, quick(head_seconds=_SOON)) as (_, (reader, writer)):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n" + bytes(2000))
        assert (await hung_up(reader)).endswith(b"ok")


async def test_a_little_that_nobody_reads_costs_nobody_the_connection():
    async with connected(answer, TimedConnection) as (_, (reader, writer)):
        for _ in range(3):
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2000\r\n\r\n" + bytes(1000))
            await reader.readuntil(b"ok")
            writer.write(bytes(1000))


async def test_who_reads_nothing_is_cut():
    async with connected(flood, quick(unread_seconds=_SOON)) as (server, _):
        while not server.server_state.connections:
            await asyncio.sleep(0)
        [connection] = server.server_state.connections
        while connection in server.server_state.connections:
            await asyncio.sleep(_SOON)
