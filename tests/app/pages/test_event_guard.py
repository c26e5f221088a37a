"""Gradio's events: each person's are their own, and what there is not is said in a line."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from fastapi import FastAPI
from httpx import Response

from app.pages.event_guard import SessionHashes
from app.services import Services
from data.records import Role
from tests.app.pages_stage import client, stage, web

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = itertools.count()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    async with stage(tmp_path_factory.mktemp("events"), buffer=0, prompts=1) as services:
        yield services


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(services: Services) -> FastAPI:
    app = web(services)
    await client(app, services, Role.ADMIN).get("/annotate/gradio_api/startup-events")  # as the server does at start
    return app


class Page:
    """The annotation page in somebody's browser. hash: what Gradio knows it by."""

    def __init__(self, app: FastAPI, services: Services) -> None:
        self.browser = client(app, services, Role.ANNOTATOR)
        self.hash = f"page-{next(_NUMBERS)}"

    async def join(self, **change: object) -> Response:
        event_data = {"run": "1", "prompt": None}
        body = {"data": [], "fn_index": 0, "session_hash": self.hash, "event_data": event_data} | change
        return await self.post("queue/join", **body)

    async def data(self, session_hash: str = "") -> str:
        query = {"session_hash": session_hash or self.hash}
        return (await self.browser.get("/annotate/gradio_api/queue/data", params=query)).text

    async def post(self, path: str, **body: object) -> Response:
        return await self.browser.post(f"/annotate/gradio_api/{path}", json=body)


@pytest.fixture
def ann(app: FastAPI, services: Services) -> Page:
    return Page(app, services)


@pytest.fixture
def eve(app: FastAPI, services: Services) -> Page:
    return Page(app, services)


async def test_a_stream_is_not_given_to_who_only_knows_its_name(ann: Page, eve: Page):
    assert (await ann.join()).status_code == 200
    assert '"session_not_found":true' in await eve.data(ann.hash)
    seen = await ann.data()
    assert '"msg":"process_completed"' in seen
    assert "session_not_found" not in seen


async def test_nobody_joins_cancels_or_ends_anothers(ann: Page, eve: Page):
    event = (await ann.join()).json()["event_id"]
    assert (await eve.join(session_hash=ann.hash)).status_code == 404
    assert (await eve.join()).status_code == 200
    for session_hash in (ann.hash, eve.hash):
        assert (await eve.post("cancel", session_hash=session_hash, fn_index=0, event_id=event)).status_code == 404
    assert (await eve.browser.get(f"/annotate/gradio_api/heartbeat/{ann.hash}")).status_code == 404
    assert '"msg":"process_completed"' in await ann.data()


async def test_an_own_event_can_be_cancelled(ann: Page):
    event = (await ann.join()).json()["event_id"]
    answer = await ann.post("cancel", session_hash=ann.hash, fn_index=0, event_id=event)
    assert answer.json() == {"success": True}


async def test_an_unknown_stream_is_told_without_a_traceback(ann: Page):
    """The client here would raise what the server would log."""
    assert '"session_not_found":true' in await ann.data("nobodys")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"fn_index": 99}, 404),
        ({"fn_index": -1}, 404),
        ({"fn_index": None}, 422),
        ({"session_hash": ""}, 404),
        ({"session_hash": "x" * 65}, 404),
        ({"session_hash": "a b"}, 404),
        ({"session_hash": None}, 422),
        ({"data": [1]}, 422),
        ({"data": None}, 422),
    ],
)
async def test_an_event_that_no_page_sends_is_refused_and_the_queue_goes_on(
    ann: Page, change: dict[str, object], status: int
):
    """An empty session hash ended the queue of everybody."""
    assert (await ann.join(**change)).status_code == status
    assert (await ann.join()).status_code == 200
    assert '"msg":"process_completed"' in await ann.data()


@pytest.mark.parametrize("event_data", [None, {}, "text", [], 1])
async def test_an_event_without_its_data_breaks_nothing(
    ann: Page, event_data: object, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    assert (await ann.join(event_data=event_data)).status_code == 200
    with caplog.at_level(logging.WARNING):
        assert '"success":true' in await ann.data()
    assert "Traceback" not in capfd.readouterr().err + caplog.text


@pytest.mark.parametrize(("component", "status"), [(99, 404), (-1, 404), (None, 422), ("x", 422)])
async def test_a_component_that_there_is_not_is_refused(ann: Page, component: object, status: int):
    body = {"data": {"do": "next"}, "component_id": component, "fn_name": "act", "session_hash": ann.hash}
    for path in ("component_server", "component_server/"):
        assert (await ann.post(path, **body)).status_code == status


async def test_one_person_cannot_fill_the_queue(
    ann: Page, eve: Page, services: Services, monkeypatch: pytest.MonkeyPatch
):
    let_go = asyncio.Event()

    async def slow(*_: object) -> AsyncIterator[object]:
        await let_go.wait()
        return
        yield

    monkeypatch.setattr(type(services.desk), "live", slow)
    answers = [await ann.join(session_hash=f"{ann.hash}-{number}") for number in range(20)]
    assert [answer.status_code for answer in answers] == [200] * 16 + [429] * 4
    assert (await eve.join()).status_code == 200
    let_go.set()


async def test_a_hash_is_the_first_ones_until_they_have_named_many_more():
    hashes = SessionHashes(most=2)
    assert hashes.claim("a", 1)
    assert not hashes.claim("a", 2)
    assert [hashes.claim(name, 2) for name in ("b", "c", "d", "e")] == [True] * 4  # those of others do not push it out
    assert hashes.belongs("a", 1)
    assert [hashes.claim(name, 1) for name in ("f", "a", "g")] == [True] * 3
    assert (hashes.belongs("a", 1), hashes.belongs("f", 1)) == (True, False)
