import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient

from app.services import Services
from app.serving.engine import Answers, SamplingJob
from app.web.server import create_rest_app
from data.errors import ConflictError, PromptError
from data.records import Role
from tests.app.pages_stage import stage

PASSWORD = "correct horse battery"


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with stage(tmp_path) as services:
        yield services


async def signed_in(services: Services, login: str, role: Role) -> AsyncClient:
    services.accounts.add(login, role, PASSWORD)
    client = AsyncClient(transport=ASGITransport(create_rest_app(services)), base_url="http://loop.test")
    answer = await client.post("/api/v1/session", json={"login": login, "password": PASSWORD})
    client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    return client


@pytest.fixture
async def annotator(services: Services) -> AsyncClient:
    return await signed_in(services, "ann", Role.ANNOTATOR)


@pytest.fixture
async def admin(services: Services) -> AsyncClient:
    return await signed_in(services, "boss", Role.ADMIN)


async def next_pair(client: AsyncClient) -> dict[str, Any]:
    pair: dict[str, Any] = {"lease": None}
    while pair["lease"] is None:
        pair = (await client.post("/api/v1/next")).json()
    return pair


def verdict(pair: dict[str, Any], choice: str = "a", **more: object) -> dict[str, Any]:
    return {"lease": pair["lease"], "key": secrets.token_hex(8), "choice": choice, **more}


async def test_a_wrong_password_is_refused(services: Services, annotator: AsyncClient) -> None:
    answer = await annotator.post("/api/v1/session", json={"login": "ann", "password": "wrong"})

    assert answer.status_code == 422
    assert "wrong" in answer.json()["detail"]


async def test_a_stranger_gets_nothing(services: Services) -> None:
    stranger = AsyncClient(transport=ASGITransport(create_rest_app(services)), base_url="http://loop.test")

    for path in ("next", "judgments", "undo", "rounds", "completions", "users"):
        assert (await stranger.post(f"/api/v1/{path}", json={})).status_code == 401


async def test_a_round_without_judgments_says_what_to_do(admin: AsyncClient) -> None:
    answer = await admin.post("/api/v1/rounds")

    assert answer.status_code == 409
    assert "judge some pairs first" in answer.json()["detail"]


@pytest.mark.parametrize("body", [None, {}, {"algorithm": None}, {"algorithm": "kto"}])
async def test_a_round_may_name_its_algorithm(
    services: Services, admin: AsyncClient, monkeypatch: pytest.MonkeyPatch, body: dict[str, object] | None
) -> None:
    asked: list[object] = []

    async def refuse(*_: object, algorithm: object) -> None:
        asked.append(algorithm)
        raise ConflictError("not now")

    monkeypatch.setattr(type(services.rounds), "start", refuse)
    answer = await (admin.post("/api/v1/rounds") if body is None else admin.post("/api/v1/rounds", json=body))

    assert answer.status_code == 409
    assert asked == [(body or {}).get("algorithm")]


@pytest.mark.parametrize("body", [{"algorithm": "sgd"}, {"algoritm": "kto"}])
async def test_an_algorithm_that_is_none_is_refused(admin: AsyncClient, body: dict[str, str]) -> None:
    assert (await admin.post("/api/v1/rounds", json=body)).status_code == 422


async def test_an_admin_draws_answers_of_a_named_version(admin: AsyncClient) -> None:
    jobs = [{"messages": [{"role": "user", "content": "why?"}], "seeds": [1, 2]}]
    answer = await admin.post("/api/v1/completions", json={"version": "base", "jobs": jobs})

    assert [len(row) for row in answer.json()["completions"]] == [2]


async def test_an_unknown_version_is_not_found(admin: AsyncClient) -> None:
    answer = await admin.post("/api/v1/adapters/round-9/promote", json={"reason": "why not"})

    assert answer.status_code == 404
    assert "round-9" in answer.json()["detail"]


async def test_the_export_streams_what_was_decided(admin: AsyncClient, annotator: AsyncClient) -> None:
    pair = await next_pair(annotator)
    await annotator.post("/api/v1/judgments", json=verdict(pair, "a"))
    lines = (await admin.get("/api/v1/export")).text.splitlines()

    assert len(lines) == 1
    assert pair["a"] in json.loads(lines[0])["chosen"][0]["content"]


async def test_a_conversation_that_the_chat_template_refuses_is_an_error_of_who_asks(
    services: Services, admin: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(_: SamplingJob) -> AsyncGenerator[Answers, None]:
        raise PromptError("the model's chat template refuses this conversation: no system role", reason="refused")
        yield

    monkeypatch.setattr(services.engine, "stream", refuses)
    jobs = [{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "?"}], "seeds": [1]}]
    answer = await admin.post("/api/v1/completions", json={"version": "base", "jobs": jobs})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "the model's chat template refuses this conversation: no system role"
