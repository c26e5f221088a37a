"""Webhooks: notify other programs of events; signed, stored until delivered, retried for a day and a half.

Follows the Standard Webhooks specification 1.0 (github.com/standard-webhooks/standard-webhooks): a message has an id
that stays the same over all attempts, a time, and an HMAC-SHA256 over both and the body.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import httpx
from pydantic import AfterValidator, SecretStr
from pydantic_core import PydanticCustomError

from app.background.loop import Loop, in_words
from data.activity.webhook_outbox import Outbox, WebhookMessage
from data.support.clock import Clock
from data.support.settings_types import Strict

_SECOND_MS = 1000
_MINUTE_MS = 60 * _SECOND_MS
_HOUR_MS = 60 * _MINUTE_MS
WAITS_MS = (5 * _SECOND_MS, 5 * _MINUTE_MS, 30 * _MINUTE_MS, 2 * _HOUR_MS, 5 * _HOUR_MS, 10 * _HOUR_MS, 14 * _HOUR_MS)
"""Delays between attempts, as the specification recommends."""

_TIMEOUT_SECONDS = 20
_IDLE_SECONDS = 60.0
_GONE = 410
_LARGEST_PORT = 65535
_SHORTEST_SECRET = 24  # bytes, by the specification
_PREFIX = "whsec_"


class Event(StrEnum):
    """Events that webhooks report. A round is finished however it ended; its state says how."""

    ROUND_FINISHED = "round.finished"
    VERSION_PROMOTED = "version.promoted"
    VERSION_REFUSED = "version.refused"
    VERSION_ROLLED_BACK = "version.rolled_back"


Publish = Callable[[Event, Mapping[str, object]], Awaitable[None]]
"""Receives an event and its details."""


def _key(secret: SecretStr) -> bytes:
    """Decode a secret. Raises ValueError when it is malformed or too short."""
    text = secret.get_secret_value()
    if not text.startswith(_PREFIX):
        raise ValueError(f"a secret is {_PREFIX} and the base64 of at least {_SHORTEST_SECRET} random bytes")
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError as error:
        raise ValueError(f"what follows {_PREFIX} is no base64") from error
    if len(key) < _SHORTEST_SECRET:
        raise ValueError(f"the secret has {len(key)} bytes; take at least {_SHORTEST_SECRET}")
    return key


def _secret(secret: SecretStr) -> SecretStr:
    _key(secret)
    return secret


def _url(url: str) -> str:
    """Check that a message can be sent to a URL. Raises ValueError otherwise."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is no http or https address: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"{url!r} is no http or https address")
    if parsed.port is not None and not 1 <= parsed.port <= _LARGEST_PORT:
        raise ValueError(f"{url!r} is no http or https address: a port is from 1 to {_LARGEST_PORT}")
    return url


class Webhook(Strict):
    """An address to notify, and the secret that signs. events: only these; all, if empty."""

    url: Annotated[str, AfterValidator(_url)]
    secret: Annotated[SecretStr, AfterValidator(_secret)]
    events: tuple[Event, ...] = ()


def _once_each(hooks: tuple[Webhook, ...]) -> tuple[Webhook, ...]:
    """Reject duplicate URLs: messages are stored by URL, so only one of two such hooks would be notified."""
    twice = [url for url, times in Counter(hook.url for hook in hooks).items() if times > 1]
    if twice:
        words = "{url} is named more than once; name it once, with all the events it is to get"
        raise PydanticCustomError("webhooks", words, {"url": twice[0]})
    return hooks


Hooks = Annotated[tuple[Webhook, ...], AfterValidator(_once_each)]
"""All addresses to notify."""


class Webhooks:
    """Notifies the addresses in the settings."""

    def __init__(self, hooks: Sequence[Webhook], outbox: Outbox, clock: Clock) -> None:
        self.loop = Loop("delivering webhooks", self._step, every=_IDLE_SECONDS)
        self._hooks = {hook.url: hook for hook in hooks}
        self._outbox = outbox
        self._clock = clock
        self._client: httpx.AsyncClient | None = None

    async def publish(self, event: Event, detail: Mapping[str, object]) -> None:
        """Store an event for every hook that wants it; `run` delivers it."""
        wanting = [hook.url for hook in self._hooks.values() if not hook.events or event in hook.events]
        if not wanting:
            return
        when = datetime.fromtimestamp(self._clock() / 1000, UTC).isoformat().replace("+00:00", "Z")
        body = {"type": event.value, "timestamp": when, "data": dict(detail)}
        await asyncio.to_thread(self._outbox.put, body, wanting)
        self.loop.wake()

    async def run(self) -> None:
        """Deliver messages until cancelled, including those of an earlier server; failures are retried."""
        if not self._hooks:
            return
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as client:
            self._client = client
            await self.loop.run()

    async def _step(self) -> float:
        """Send once what is due; returns the seconds until more is due."""
        for parcel in await asyncio.to_thread(self._outbox.due):
            await self._deliver(parcel)
        pause = await self._pause()
        self.loop.last_error = None
        return pause

    async def _pause(self) -> float:
        """Return the seconds until the next message is due, at most a minute, since the system clock may be changed."""
        due = await asyncio.to_thread(self._outbox.next_at)
        return _IDLE_SECONDS if due is None else min(_IDLE_SECONDS, max(0.0, (due - self._clock()) / 1000))

    async def _deliver(self, parcel: WebhookMessage) -> None:
        """Send a message once, and record the result."""
        hook = self._hooks.get(parcel.address)
        if hook is None:
            why: str | None = "the settings do not name this address any more"
            again = None
        else:
            why, gone = await self._send(hook, parcel)
            again = None if gone or parcel.tries >= len(WAITS_MS) else WAITS_MS[parcel.tries]
        if why is None:
            await asyncio.to_thread(self._outbox.sent, parcel.id)
        else:
            await asyncio.to_thread(self._outbox.failed, parcel.id, why, again_in_ms=again)

    async def _send(self, hook: Webhook, parcel: WebhookMessage) -> tuple[str | None, bool]:
        """Send a message; returns why it failed, or None, and whether the address wants no more messages."""
        try:
            content = json.dumps(parcel.body, ensure_ascii=False).encode()
            headers = {"content-type": "application/json", **signed(hook, parcel.key, self._clock() // 1000, content)}
            assert self._client is not None
            answer = await self._client.post(hook.url, content=content, headers=headers)
        except httpx.HTTPError as error:
            return f"{type(error).__name__}: {error}", False
        except Exception as error:  # httpx raises other errors for some addresses; the other messages must still go out
            return in_words(error, during="a message was sent", before=parcel.error), False
        if answer.is_success:
            return None, False
        return f"answered {answer.status_code}", answer.status_code == _GONE


def signed(hook: Webhook, message_id: str, seconds: int, content: bytes) -> dict[str, str]:
    """Return the headers that prove a message's origin; seconds: since the Unix epoch."""
    digest = hmac.digest(_key(hook.secret), f"{message_id}.{seconds}.".encode() + content, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
