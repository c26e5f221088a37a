"""Where the server listens: on which addresses, and how quickly what it says leaves."""

import asyncio
import socket

import pytest

from app.web.listening import listening
from data.errors import InputError


def reaches(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


async def test_small_answers_leave_at_once():
    """Without TCP_NODELAY the second of two small writes waits for 40 ms, as head and body of an answer are."""
    accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        accepted.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with listening("127.0.0.1", 0) as at:
        async with await asyncio.start_server(note, sock=at.sockets[0]):
            _, writer = await asyncio.open_connection(*at.sockets[0].getsockname())
            assert await accepted
            writer.close()


@pytest.mark.parametrize(
    ("host", "reached", "url"),
    [
        ("127.0.0.1", {"127.0.0.1"}, "http://127.0.0.1:"),
        ("::1", {"::1"}, "http://[::1]:"),
        ("::", {"127.0.0.1", "::1"}, "http://[::]:"),
        ("0.0.0.0", {"127.0.0.1"}, "http://0.0.0.0:"),
    ],
)
def test_it_listens_where_the_host_asks_for(host: str, reached: set[str], url: str):
    with listening(host, 0) as at:
        port = at.sockets[0].getsockname()[1]
        assert {address for address in ("127.0.0.1", "::1") if reaches(address, port)} == reached
        assert at.url == f"{url}{port}"


def test_a_port_is_taken_before_anybody_is_served():
    with (
        listening("127.0.0.1", 0) as at,
        pytest.raises(InputError, match=r"cannot be used.*--port"),
        listening("127.0.0.1", at.sockets[0].getsockname()[1]),
    ):
        pass


def test_an_unknown_host_is_named_with_the_way_out():
    with (
        pytest.raises(InputError, match=r"host no\.such\.host\.invalid .*--host"),
        listening("no.such.host.invalid", 0),
    ):
        pass
