"""How large a request may be, by its route; told before anything is parsed, and before most of it has come in."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from fastapi import FastAPI
from httpx import AsyncClient

from app.services import Services
from data.records import Role
from tests.app.pages_stage import client, stage, web

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEGABYTE = 1_000_000
JSON = {"content-type": "application/json"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    async with stage(tmp_path_factory.mktemp("bodies"), buffer=0, prompts=1) as services:
        yield services


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(services: Services) -> FastAPI:
    return web(services)


class Sending:
    """A body that comes in pieces without end. sent: how much of it was asked for."""

    def __init__(self, begins: bytes = b'{"x": "') -> None:
        self.begins, self.sent = begins, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.begins
        while self.sent < 100 * MEGABYTE:
            self.sent += 100_000
            yield b"x" * 100_000


def asking(app: FastAPI, services: Services, role: Role | None) -> AsyncClient:
    return client(app, services, role)


@pytest.mark.parametrize(
    ("role", "path", "most"),
    [
        (None, "/auth/login", 16_384),
        (None, "/auth/join", 16_384),
        (None, "/api/v1/session", 16_384),
        (Role.ANNOTATOR, "/api/v1/judgments", MEGABYTE),
        (Role.ANNOTATOR, "/api/v1/account/password", MEGABYTE),
        (Role.ANNOTATOR, "/annotate/gradio_api/queue/join", MEGABYTE),
        (Role.ANNOTATOR, "/annotate/gradio_api/component_server", MEGABYTE),
        (Role.ADMIN, "/api/v1/guidelines", MEGABYTE),
        (Role.ADMIN, "/api/v1/completions", 16 * MEGABYTE),
        (Role.ADMIN, "/api/v1/prompts/file", 64 * MEGABYTE),
    ],
)
async def test_what_is_too_large_is_refused_while_it_comes_in(
    app: FastAPI, services: Services, role: Role | None, path: str, most: int
) -> None:
    body = Sending()
    answer = await asking(app, services, role).post(path, content=body.__aiter__(), headers=JSON)
    assert answer.status_code == 413
    assert body.sent <= most + 200_000


@pytest.mark.parametrize("path", ["/api/v1/session", "/annotate/gradio_api/component_server", "/no/such/path"])
@pytest.mark.parametrize("role", [None, Role.ANNOTATOR])
async def test_a_length_that_is_announced_is_refused_unread(
    app: FastAPI, services: Services, role: Role | None, path: str
) -> None:
    body = Sending()
    headers = JSON | {"content-length": str(100 * MEGABYTE)}
    answer = await asking(app, services, role).post(path, content=body.__aiter__(), headers=headers)
    assert (answer.status_code, body.sent) == (413, 0)


async def test_the_limit_is_said(app: FastAPI, services: Services) -> None:
    body = json.dumps({"login": "x" * 20_000, "password": ""})
    answer = await asking(app, services, None).post("/auth/login", content=body, headers=JSON)
    assert answer.status_code == 413
    assert answer.json() == {
        "detail": "The request is too large: at most 16384 bytes are taken here.",
        "template": "The request is too large: at most {most} bytes are taken here.",
        "values": {"most": 16384},
    }


async def test_json_of_too_many_values_is_refused_in_words(app: FastAPI, services: Services) -> None:
    body = b'{"x": [' + b"1," * 200_000 + b"1]}"
    answer = await asking(app, services, Role.ANNOTATOR).post("/api/v1/judgments", content=body, headers=JSON)
    assert (answer.status_code, "more than 100000 values" in answer.text) == (422, True)


async def test_a_file_to_import_may_be_larger_than_any_json(app: FastAPI, services: Services) -> None:
    lines = b'{"prompt": "What?", "chosen": "[this]", "rejected": "{that}"}\n' * 40_000
    assert len(lines) > 2 * MEGABYTE
    query = {"name": "pairs.jsonl", "kind": "preferences"}
    answer = await asking(app, services, Role.ADMIN).post("/api/v1/imports/look", content=lines, params=query)
    assert (answer.status_code, answer.json()["rows"]) == (200, 40_000)


async def test_a_file_of_prompts_may_be_large_and_is_kept_in_the_audit_without_its_text(
    app: FastAPI, services: Services
) -> None:
    text = "\n".join(f"Question {number}: [a, b] {{c}}?" for number in range(60_000))
    body = {"name": "many.txt", "text": text}
    answer = await asking(app, services, Role.ADMIN).post("/api/v1/prompts/file", json=body)
    assert (answer.status_code, answer.json()["added"]) == (201, 60_000)
    [act] = services.store.audit.newest(1)
    assert act.detail["name"] == "many.txt"
    assert len(str(act.detail["text"])) == 200
