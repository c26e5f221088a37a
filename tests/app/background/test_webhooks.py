import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from standardwebhooks.webhooks import Webhook as Oracle

from app.background.webhooks import WAITS_MS, Event, Webhook, Webhooks
from app.settings.settings import Settings
from data.store import PreferenceStore
from data.support.clock import now_ms
from tests.app.until import until

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
DETAIL = {"round": 7, "state": "promoted"}


@dataclass
class Receiver:
    """Another program: answers with these statuses one after the other, the last for ever."""

    statuses: list[int]
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@asynccontextmanager
async def receiving(*statuses: int) -> AsyncIterator[Receiver]:
    receiver = Receiver(list(statuses))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, content))
            self.send_response(receiver.statuses.pop(0) if len(receiver.statuses) > 1 else receiver.statuses[0])
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Be quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


@asynccontextmanager
async def delivering(webhooks: Webhooks) -> AsyncIterator[None]:
    task = asyncio.create_task(webhooks.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def hook(url: str, *events: Event) -> Webhook:
    return Webhook.model_validate({"url": url, "secret": SECRET, "events": events})


async def test_an_event_arrives_signed(store: PreferenceStore) -> None:
    async with receiving(204) as receiver:
        webhooks = Webhooks([hook(receiver.url)], store.outbox, now_ms)
        async with delivering(webhooks):
            await webhooks.publish(Event.ROUND_FINISHED, DETAIL)
            await until(lambda: store.outbox.newest(1)[0].sent_at is not None)
    [(headers, content)] = receiver.got
    told = Oracle(SECRET).verify(content, headers)  # raises for a wrong signature or an old time
    assert (told["type"], told["data"]) == ("round.finished", DETAIL)
    assert json.loads(content)["timestamp"].endswith("Z")


async def test_what_was_not_taken_is_tried_again_under_the_same_id(
    store: PreferenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.background.webhooks.WAITS_MS", (1, 1, 1))
    async with receiving(500, 503, 200) as receiver:
        webhooks = Webhooks([hook(receiver.url)], store.outbox, now_ms)
        async with delivering(webhooks):
            await webhooks.publish(Event.VERSION_PROMOTED, DETAIL)
            await until(lambda: store.outbox.newest(1)[0].sent_at is not None)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3
    assert store.outbox.newest(1)[0].tries == 2


@pytest.mark.parametrize(("statuses", "tries"), [((410,), 1), ((500,), 4), ((302,), 4)])
async def test_at_last_it_is_given_up(
    store: PreferenceStore, monkeypatch: pytest.MonkeyPatch, statuses: tuple[int, ...], tries: int
) -> None:
    monkeypatch.setattr("app.background.webhooks.WAITS_MS", (1, 1, 1))
    async with receiving(*statuses) as receiver:
        webhooks = Webhooks([hook(receiver.url)], store.outbox, now_ms)
        async with delivering(webhooks):
            await webhooks.publish(Event.VERSION_REFUSED, DETAIL)
            await until(lambda: store.outbox.newest(1)[0].given_up_at is not None)
    assert len(receiver.got) == tries
    assert store.outbox.newest(1)[0].error == f"answered {statuses[0]}"


async def test_nobody_at_the_address_is_no_end(store: PreferenceStore) -> None:
    webhooks = Webhooks([hook("http://127.0.0.1:9/")], store.outbox, now_ms)
    async with delivering(webhooks):
        await webhooks.publish(Event.ROUND_FINISHED, DETAIL)
        await until(lambda: store.outbox.newest(1)[0].tries == 1)
    [parcel] = store.outbox.newest(1)
    assert parcel.given_up_at is None
    assert "ConnectError" in (parcel.error or "")
    assert parcel.next_at - parcel.created_at >= WAITS_MS[0]


async def test_an_address_that_nothing_can_be_sent_to_keeps_nothing_from_the_others(store: PreferenceStore) -> None:
    beyond = Webhook.model_construct(
        url="http://127.0.0.1:99999/", secret=SecretStr(SECRET)
    )  # as older settings had it
    async with receiving(204) as receiver:
        webhooks = Webhooks([beyond, hook(receiver.url)], store.outbox, now_ms)
        async with delivering(webhooks):
            await webhooks.publish(Event.ROUND_FINISHED, DETAIL)
            await until(lambda: store.outbox.newest(1)[0].sent_at is not None)
    failed = store.outbox.newest(2)[1]
    assert (failed.tries, failed.given_up_at, webhooks.loop.last_error) == (1, None, None)
    assert (failed.error or "").startswith("unexpected: ")
    assert "port must be 0-65535" in (failed.error or "")


@pytest.mark.parametrize("step", ["due", "next_at", "sent"])
async def test_a_store_that_fails_once_is_asked_again(
    store: PreferenceStore, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr("app.background.webhooks._IDLE_SECONDS", 0.01)
    does, troubles = getattr(store.outbox, step), [sqlite3.OperationalError("disk is full")]

    def fails_once(*given: Any) -> Any:
        if troubles:
            raise troubles.pop()
        return does(*given)

    monkeypatch.setattr(store.outbox, step, fails_once)
    async with receiving(204) as receiver:
        webhooks = Webhooks([hook(receiver.url)], store.outbox, now_ms)
        await webhooks.publish(Event.ROUND_FINISHED, DETAIL)
        async with delivering(webhooks):
            await until(lambda: not troubles)
            await until(lambda: store.outbox.newest(1)[0].sent_at is not None and webhooks.loop.last_error is None)
    assert not troubles
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1


async def test_what_keeps_messages_from_going_out_is_said(
    store: PreferenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise sqlite3.OperationalError("disk is full")

    monkeypatch.setattr(store.outbox, "due", fails)
    webhooks = Webhooks([hook("http://127.0.0.1:9/")], store.outbox, now_ms)
    async with delivering(webhooks):
        await until(lambda: webhooks.loop.last_error is not None)
    assert webhooks.loop.last_error == "unexpected: OperationalError('disk is full')"


async def test_what_an_earlier_server_left_is_delivered(store: PreferenceStore) -> None:
    async with receiving(200) as receiver:
        webhooks = Webhooks([hook(receiver.url)], store.outbox, now_ms)
        await webhooks.publish(Event.ROUND_FINISHED, DETAIL)
        assert receiver.got == []
        async with delivering(Webhooks([hook(receiver.url)], store.outbox, now_ms)):
            await until(lambda: len(receiver.got) == 1)


async def test_an_address_gets_only_what_it_wants(store: PreferenceStore) -> None:
    webhooks = Webhooks([hook("http://a.test/", Event.VERSION_REFUSED)], store.outbox, now_ms)
    await webhooks.publish(Event.ROUND_FINISHED, DETAIL)
    assert store.outbox.newest(9) == []
    await webhooks.publish(Event.VERSION_REFUSED, DETAIL)
    assert [parcel.address for parcel in store.outbox.newest(9)] == ["http://a.test/"]


async def test_an_address_that_is_set_no_more_gets_nothing(store: PreferenceStore) -> None:
    await Webhooks([hook("http://127.0.0.1:9/")], store.outbox, now_ms).publish(Event.ROUND_FINISHED, DETAIL)
    async with delivering(Webhooks([hook("http://127.0.0.1:10/")], store.outbox, now_ms)):
        await until(lambda: store.outbox.newest(1)[0].given_up_at is not None)
    assert "not name this address" in (store.outbox.newest(1)[0].error or "")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"url": "ftp://a.test/"}, "no http or https address"),
        ({"url": "a.test"}, "no http or https address"),
        ({"url": "http://[::1"}, "no http or https address: Invalid port"),
        ({"url": "https://h:abc/"}, "no http or https address: Invalid port"),
        ({"url": "http://ä..de/"}, "no http or https address: Invalid IDNA hostname"),
        ({"url": "http://xn--/"}, "Malformed A-label"),
        ({"url": "http://a.test:0/"}, "a port is from 1 to 65535"),
        ({"url": "http://a.test:65536/"}, "a port is from 1 to 65535"),
        ({"secret": "secret"}, "a secret is whsec_"),
        ({"secret": "whsec_!!"}, "no base64"),
        ({"secret": "whsec_AAAA"}, "has 3 bytes; take at least 24"),
        ({"events": ["round.begun"]}, "round.finished"),
    ],
)
def test_a_bad_setting_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Webhook.model_validate({"url": "https://a.test/", "secret": SECRET, **given})


@pytest.mark.parametrize("url", ["http://a.test:1/", "https://a.test:65535/", "http://[::1]:8000/", "https://ä.de/"])
def test_a_good_address_is_taken_as_it_is(url: str) -> None:
    assert hook(url).url == url


def test_an_address_is_named_once() -> None:
    one, other = ({"url": f"https://{name}.test/", "secret": SECRET} for name in ("a", "b"))
    assert len(Settings.model_validate({"webhooks": [one, other]}).webhooks) == 2
    with pytest.raises(ValidationError, match=r"https://a\.test/ is named more than once; name it once"):
        Settings.model_validate({"webhooks": [one, other, {**one, "events": ["round.finished"]}]})


def test_a_secret_is_not_shown() -> None:
    assert SECRET not in repr(hook("https://a.test/"))
    assert SECRET not in hook("https://a.test/").model_dump_json()
