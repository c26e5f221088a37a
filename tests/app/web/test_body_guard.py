"""What a body must keep to while it comes in."""

import asyncio
import json

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from app.web.body_guard import MOST_PARTS, BodyGuard
from app.web.body_limits import BodyLimit

JSON, FILE = BodyLimit(10_000_000), BodyLimit(None, json=False)


def coming(*bodies: bytes) -> Receive:
    """A body in these pieces; what is asked for after them never comes."""
    pieces = [*bodies]

    async def receive() -> Message:
        if not pieces:
            await asyncio.Event().wait()
        body = pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(pieces)}

    return receive


def never_whole(*bodies: bytes) -> Receive:
    """The same, and it is not all."""
    whole = coming(*bodies)

    async def receive() -> Message:
        return {**await whole(), "more_body": True}

    return receive


async def read(guard: BodyGuard) -> bytes:
    read: bytes = b""
    while True:
        message = await guard()
        read += message["body"]
        if not message["more_body"]:
            return read


def in_pieces(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


async def test_a_body_that_stops_is_given_up():
    with pytest.raises(HTTPException) as given_up:
        await read(BodyGuard(never_whole(b"{"), JSON, patience=0.01))
    assert given_up.value.status_code == 408
    assert given_up.value.headers == {"connection": "close"}


async def test_what_comes_after_the_body_may_take_its_time():
    """The next message says that the client has gone, perhaps after hours of a stream."""
    guard = BodyGuard(coming(b"{}"), JSON, patience=0)
    await read(guard)
    left = asyncio.create_task(guard())
    for _ in range(9):
        await asyncio.sleep(0)
    assert not left.done()
    left.cancel()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 10**9])
async def test_text_is_no_part_however_it_is_cut(size: int):
    text = '[{,"\\ 中文' * 30
    body = json.dumps({"text": text, "more": [text, "\\", '"']}, ensure_ascii=False).encode()
    guard = BodyGuard(coming(*in_pieces(body, size)), JSON)
    assert await read(guard) == body
    assert guard._parts._count == 1 + len("{,[,,")


@pytest.mark.parametrize("part", [b"[],", b"{},", b"1,", b"[", b'"[",'])
@pytest.mark.parametrize("size", [1000, 10**9])
async def test_json_of_too_many_parts_is_refused_before_it_is_parsed(part: bytes, size: int):
    body = b"[" + part * (MOST_PARTS + 1)
    with pytest.raises(HTTPException) as refused:
        await read(BodyGuard(coming(*in_pieces(body, size)), JSON))
    assert refused.value.status_code == 422


async def test_a_file_may_have_any_bytes():
    body = b"[" * (MOST_PARTS + 1)
    assert await read(BodyGuard(coming(body), FILE)) == body
