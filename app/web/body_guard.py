"""What a request's body must keep to while it comes in: its size, time, and in JSON few parts.

A megabyte of `[],[],` holds the event loop for a tenth of a second when it is parsed; as much text does not. The gate
uses it for every request. Knows no routes.
"""

import asyncio
import time

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from app.web.body_limits import TOO_LARGE, BodyLimit

MOST_PARTS = 100_000
PATIENCE_SECONDS = 20.0
SLOWEST_BYTES = 10_000
"""A second, on average, once the patience is used up."""
_TOO_SLOW = "The request came in too slowly and was given up. Send it again."
_TOO_MANY_PARTS = f"The JSON has more than {MOST_PARTS} values. Send it in several requests."
_CLOSE = {"connection": "close"}  # the rest would be taken for the next request


class BodyGuard:
    """Hands on what a body brings."""

    def __init__(self, receive: Receive, limit: BodyLimit, *, patience: float = PATIENCE_SECONDS) -> None:
        self._receive = receive
        self._limit = limit
        self._patience = patience
        self._waited = 0.0
        self._came = 0
        self._over = False
        self._parts = _Parts()

    async def __call__(self) -> Message:
        """The next message. Raises HTTPException 408 for a body that is too slow, 413 for one that is too large,
        and 422 for JSON of too many parts.
        """
        if self._over:
            return await self._receive()
        message = await self._in_time()
        body = message.get("body", b"")
        self._came += len(body)
        self._over = not message.get("more_body", False)
        if self._limit.most is not None and self._came > self._limit.most:
            raise HTTPException(413, TOO_LARGE.format(most=self._limit.most), _CLOSE)
        if self._limit.json and self._parts.after(body) > MOST_PARTS:
            raise HTTPException(422, _TOO_MANY_PARTS, _CLOSE)
        return message

    async def _in_time(self) -> Message:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._patience + self._came / SLOWEST_BYTES - self._waited):
                return await self._receive()
        except TimeoutError:
            raise HTTPException(408, _TOO_SLOW, _CLOSE) from None
        finally:
            self._waited += time.monotonic() - began  # not what the application takes in between


class _Parts:
    """Counts the values of JSON that comes in pieces: arrays, objects and commas, but those within strings."""

    def __init__(self) -> None:
        self._count = 1
        self._in_string = False
        self._rest = b""

    def after(self, piece: bytes) -> int:
        """How many there are up to the end of this piece."""
        text = self._rest + piece
        odd = (len(text) - len(text.rstrip(b"\\"))) % 2
        text, self._rest = (text[:-1], b"\\") if odd else (text, b"")
        for run in text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"'):
            if not self._in_string:
                self._count += run.count(b",") + run.count(b"[") + run.count(b"{")
            self._in_string = not self._in_string
        self._in_string = not self._in_string  # a piece ends without a quote
        return self._count
