"""A connection that is cut where the other side keeps it for nothing: uvicorn's own has a limit only between requests.

What the body of a request must keep to is in body_guard.py. Knows nothing of what is asked.
"""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class TimedConnection(H11Protocol):
    """Cuts who sends no whole head in time, who goes on sending what nobody reads, and who reads nothing."""

    head_seconds = 20.0
    """How long the head of a request may take, from the opening of the connection or its first byte."""
    unread_seconds = 120.0
    """How long an answer may wait for the other side to read on."""
    most_left_over = 262_144
    """Bytes of a body that are thrown away after the answer, so that the connection can be used again."""
    linger_seconds = 1.0
    """How long the connection stays after that, so that the answer is read before it is cut."""

    _left_over = 0
    _head_timer: asyncio.TimerHandle | None = None
    _unread_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came in, and cut what is too much of what nobody wants."""
        super().data_received(data)
        self._watch()
        self._left_over = self._left_over + len(data) if self._answered and self._body_goes_on else 0
        if self._left_over > self.most_left_over:
            self.transport.pause_reading()
            self.loop.call_later(self.linger_seconds, self.transport.close)

    def on_response_complete(self) -> None:
        """Begin to wait for the next head, if uvicorn's own timer does not run."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """The other side does not read: wait no longer than `unread_seconds`."""
        super().pause_writing()
        if self._unread_timer is None:
            self._unread_timer = self.loop.call_later(self.unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        _stop(self._unread_timer)
        self._unread_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        super().connection_lost(exc)
        _stop(self._head_timer)
        _stop(self._unread_timer)

    @property
    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _body_goes_on(self) -> bool:
        return self.cycle is not None and self.conn.their_state is h11.SEND_BODY

    def _watch(self) -> None:
        """The timer runs while a head, or a body that nobody reads, comes in."""
        waits = self._answered and (self.timeout_keep_alive_task is None or self._body_goes_on)
        if not waits:
            _stop(self._head_timer)
            self._head_timer = None
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self.transport.close)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
