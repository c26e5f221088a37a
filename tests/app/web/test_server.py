"""What callers are told when the server ends while they wait."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from app.services import Services
from app.serving.engine import Answers, SamplingJob
from app.web.listening import listening
from app.web.server import create_rest_app
from app.web.timed_connection import TimedConnection
from data.records import Role
from tests.app.pages_stage import stage


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with stage(tmp_path, buffer=0, prompts=1) as services:
        yield services


class Ending:
    """A server that ends, with no patience, as soon as it has been asked and waits."""

    def __init__(self, app: FastAPI, waits: asyncio.Event, token: str) -> None:
        self._app, self._waits, self._token = app, waits, token

    async def asked(self, method: str, path: str, body: object = None) -> httpx.Response:
        with listening("127.0.0.1", 0) as at:
            config = uvicorn.Config(self._app, http=TimedConnection, timeout_graceful_shutdown=0, log_config=None)
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve(sockets=[*at.sockets]))
            headers = {"authorization": f"Bearer {self._token}"}
            async with httpx.AsyncClient(base_url=at.url, headers=headers, trust_env=False) as client:
                asking = asyncio.create_task(client.request(method, path, json=body))
                await self._waits.wait()
                server.should_exit = True
                await serving
                return await asking


async def test_who_waits_for_answers_of_the_model_is_told_that_the_server_ends(
    services: Services, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    waits = asyncio.Event()

    async def never(_: SamplingJob) -> AsyncGenerator[Answers, None]:
        waits.set()
        await asyncio.Event().wait()
        yield Answers(())

    monkeypatch.setattr(services.engine, "stream", never)
    boss = services.accounts.add("boss", Role.ADMIN)
    ending = Ending(create_rest_app(services), waits, services.accounts.grant(boss.id))
    jobs = [{"messages": [{"role": "user", "content": "why?"}], "seeds": [1]}]
    answer = await ending.asked("POST", "/api/v1/completions", {"version": "base", "jobs": jobs})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert answer.json() == {"detail": "The server ends. Ask again when it runs again."}
    assert "Traceback" not in caplog.text


async def test_half_an_answer_is_never_taken_for_a_whole_one(services: Services, caplog: pytest.LogCaptureFixture):
    waits = asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        waits.set()
        await asyncio.Event().wait()

    async def stream() -> StreamingResponse:
        return StreamingResponse(half())

    app = create_rest_app(services)
    app.add_api_route("/half", stream)
    ann = services.accounts.add("ann", Role.ANNOTATOR)
    with pytest.raises(httpx.RemoteProtocolError):
        await Ending(app, waits, services.accounts.grant(ann.id)).asked("GET", "/half")
    assert "Traceback" not in caplog.text
