"""Walks every response that an annotator's session can obtain, for what would tell where an answer is from."""

import itertools
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from app.annotation.blinding import last_error_for, redact_for
from app.services import Services
from app.web.server import create_app
from data.errors import (
    AdapterError,
    ConflictError,
    DiskFullError,
    HomeError,
    InputError,
    ModelError,
    PrefloopError,
    PromptError,
)
from data.records import Annotator, Role
from tests.app.pages_stage import stage

TELLTALE = "telltale"
"""What versions, models, sources, other people and roots of files are called here."""

FORBIDDEN_KEYS = {
    "swapped", "version_id", "adapter", "model", "base", "base_model", "purpose", "strategy", "propensity", "priority",
    "margin", "seed", "token_ids", "logprobs", "sampling", "finish_reason", "completion_a_id", "completion_b_id",
    "repeats_id", "target_judgments", "judged", "annotator_id", "author_id", "gold", "parent", "round",
    "round_id", "champion", "split", "source",
}  # fmt: skip
"""What no object in an answer may have as a key."""

GRADIO = ("info", "startup-events", "app_id", "theme.css")
KEYS = itertools.count()


class Session:
    """An annotator's browser and programs: asks for things and keeps all that comes."""

    def __init__(self, app: FastAPI, token: str) -> None:
        self.client = AsyncClient(transport=ASGITransport(app), base_url="http://loop.test")
        self.client.cookies.set("prefloop_session", token)
        self.seen: list[tuple[str, str]] = []

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        response = await self.client.request(method, path, json=body)
        self.seen.append(
            (f"{method} {path} {response.status_code}", response.text + json.dumps(dict(response.headers)))
        )
        return response

    async def act(self, function: str, data: dict[str, object]) -> Any:
        """What the board's script does: a server function of the page."""
        config = (await self.client.get("/annotate/config")).json()
        [board] = [part["id"] for part in config["components"] if part["props"].get("server_fns")]
        body = {"data": data, "component_id": board, "fn_name": function, "session_hash": "s"}
        return (await self.ask("POST", "/annotate/gradio_api/component_server/", body)).json()


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    home = tmp_path / TELLTALE
    home.mkdir()
    async with stage(home, buffer=0) as services:
        services.store.prompts.add([[{"role": "user", "content": "A question"}]], source=f"{TELLTALE}-source")
        for name in ("older", "newer"):
            services.store.versions.add(f"{TELLTALE}-{name}", round_id=None, parent="base", sha256="0" * 64)
        services.router.champion = f"{TELLTALE}-newer"
        services.accounts.add(f"{TELLTALE}-person", Role.ADMIN, "correct horse")
        yield services


@pytest.fixture
async def session(services: Services) -> Session:
    somebody = services.accounts.add("ann", Role.ANNOTATOR)
    token, _ = services.accounts.redeem(services.accounts.make_link(somebody.id))
    return Session(create_app(services), token)


def keys(value: object) -> Iterator[str]:
    """Every key of every object in a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


async def pair(session: Session, services: Services) -> dict[str, Any]:
    async for _ in services.desk.live(services.store.people.by_login("ann")):
        pass
    lent: dict[str, Any] = (await session.ask("POST", "/api/v1/next")).json()
    return lent


def verdict(lent: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"lease": lent["lease"], "key": f"key-{next(KEYS):08}", "choice": "a", **more}


async def test_nothing_an_annotator_can_obtain_tells_where_an_answer_is_from(
    session: Session, services: Services
) -> None:
    schema = (await session.ask("GET", "/api/v1/openapi.json")).json()
    for _ in range(3):
        lent = await pair(session, services)
        judged = (await session.ask("POST", "/api/v1/judgments", verdict(lent, edit="as it should be"))).json()
        await session.ask("POST", "/api/v1/judgments", verdict(lent))
    await session.ask("POST", f"/api/v1/judgments/{judged['id']}/change")
    await session.ask("POST", "/api/v1/prompts", {"text": "A prompt of my own"})
    await session.ask("POST", "/api/v1/prompts", {"text": "and then?", "after": judged["id"]})
    await session.ask("POST", "/api/v1/undo")
    for function, data in (
        ("act", {"do": "next"}),
        ("act", {"do": "undo"}),
        ("act", {"do": "change", "judgment": judged["id"]}),
        ("act", {"do": "write", "text": "another"}),
        ("act", {"do": "nonsense"}),
        ("history", {}),
        ("history", {"before": "nonsense"}),
        ("difference", {"a": "one", "b": "two"}),
        ("difference", {}),
    ):
        await session.act(function, dict(data))
    for path in (
        "",
        "config",
        "gradio_api/info",
        "gradio_api/startup-events",
        "gradio_api/app_id",
        "theme.css",
        "manifest.json",
    ):
        await session.ask("GET", f"/annotate/{path}")
    for path in ("/", "/healthz", "/sign-in/", "/account/", "/auth/session", "/admin/", "/admin/config", "/nowhere"):
        await session.ask("GET", path)
    for path, methods in schema["paths"].items():
        for method in methods:
            concrete = re.sub(r"\{\w+\}", "1", path)
            await session.ask(method.upper(), concrete, {} if method != "get" else None)

    others = [person.pseudonym for person in services.store.people.all() if person.login != "ann"]
    assert others
    assert len(session.seen) > 40
    for where, text in session.seen:
        if "openapi.json" in where:
            continue  # the same for everybody: it documents what admins get too, and holds no data
        assert not any(word in text for word in (TELLTALE, *others)), where
        body = text[: text.rindex("{")]
        if body.startswith(("{", "[")) and "/annotate/" not in where:
            assert not FORBIDDEN_KEYS & set(keys(json.loads(body))), where


async def test_views_of_the_board_hold_no_key_that_tells(session: Session, services: Services) -> None:
    lent = await pair(session, services)
    views = [
        await session.act("act", {"do": "next"}),
        await session.act(
            "act", {"do": "judge", "token": lent["lease"], "pick": "1", "key": f"key-{next(KEYS):08}", "ms": 5}
        ),
        await session.act("history", {}),
        await session.act("act", {"do": "undo"}),
    ]
    assert not FORBIDDEN_KEYS & set(keys(views))


OWN = {
    ("get", "/session"), ("post", "/session"), ("get", "/desk"), ("post", "/next"), ("get", "/judgments"),
    ("post", "/judgments"), ("post", "/judgments/{judgment_id}/change"), ("post", "/undo"), ("post", "/prompts"),
    ("get", "/stats"), ("get", "/account"), ("post", "/account/password"), ("get", "/account/sessions"),
    ("post", "/account/sessions/end-others"), ("delete", "/account/sessions/{session_id}"), ("post", "/account/tokens"),
}  # fmt: skip
"""What an annotator may ask for: of his desk, his account and his session. A route that is new is for admins."""


async def test_all_but_what_is_his_own_is_closed_to_an_annotator(session: Session) -> None:
    schema = (await session.ask("GET", "/api/v1/openapi.json")).json()
    there = {(method, path.removeprefix("/api/v1")) for path, methods in schema["paths"].items() for method in methods}
    assert there >= OWN
    assert there - OWN >= {("post", "/prompts/file"), ("get", "/prompts/list"), ("get", "/prompts/sources")}
    for method, path in sorted(there - OWN):
        concrete = "/api/v1" + re.sub(r"\{\w+\}", "1", path)
        answer = await session.ask(method.upper(), concrete, None if method == "get" else {})
        assert answer.status_code == 403, (method, path)


async def test_what_is_his_own_is_open_to_an_annotator(session: Session) -> None:
    ends_it = ("/account/password", "/account/sessions")
    for method, path in sorted(OWN):
        if not path.startswith(ends_it):
            answer = await session.ask(method.upper(), "/api/v1" + re.sub(r"\{\w+\}", "1", path))
            assert answer.status_code not in (401, 403), (method, path)


@pytest.mark.parametrize("error", [InputError("mine"), ConflictError("mine")])
def test_what_was_wrong_with_ones_own_act_is_told(error: PrefloopError) -> None:
    assert redact_for(error, ANNOTATOR) is error


@pytest.mark.parametrize("error", [ModelError("round-000003 broke"), AdapterError("round-000003 is not loaded")])
def test_what_is_wrong_with_a_model_is_told_to_admins_only(error: PrefloopError) -> None:
    assert "round" not in str(redact_for(error, ANNOTATOR))
    assert "round" not in str(redact_for(error, None))
    assert redact_for(error, ADMIN) is error
    assert last_error_for(str(error), ADMIN) == str(error)
    assert "round" not in str(last_error_for(str(error), ANNOTATOR))
    assert last_error_for(None, ANNOTATOR) is None


ANNOTATOR = Annotator(1, "ann", "quiet-heron-41", Role.ANNOTATOR, 0)
ADMIN = replace(ANNOTATOR, role=Role.ADMIN)


@pytest.mark.parametrize("who", [None, ANNOTATOR])
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DiskFullError(Path("/home/of/telltale")), "The server's disk is full: nothing can be saved"),
        (HomeError("/home/of/telltale is damaged"), "The server cannot read or save just now."),
    ],
)
def test_what_is_wrong_with_the_disk_is_not_blamed_on_the_model(
    error: PrefloopError, words: str, who: Annotator | None
) -> None:
    assert str(redact_for(error, who)).startswith(words)
    assert TELLTALE not in str(redact_for(error, who))


def test_what_a_template_says_of_a_prompt_is_told_to_admins_only() -> None:
    error = PromptError("the template of round-000001 says no", reason="refused by the chat template")
    assert "round" not in str(redact_for(error, ANNOTATOR))
    assert redact_for(error, ADMIN) is error
