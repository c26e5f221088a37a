"""What admins do is kept, whichever route they take, and the page on people has words for it."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from httpx import ASGITransport, AsyncClient

from app.api.audit import act, act_of, audited
from app.pages.layout import static
from app.rounds.rebuilds import Plan
from app.web.server import create_rest_app
from data.activity.audit import AuditAct
from data.records import Choice, Role, Split, Without
from data.store import PreferenceStore
from tests.app.admin_api import AdminApi, admin_api
from tests.app.canned_version import add_version
from tests.app.pages_stage import client
from tests.app.planted import judge_new_pairs

CHANGE_NOTHING = {
    ("post", "/api/v1/completions"),
    ("post", "/api/v1/exports/preview"),
    ("post", "/api/v1/guidelines/preview"),
    ("post", "/api/v1/imports/look"),
    ("delete", "/api/v1/imports/uploads/{upload}"),
}
"""What is sent there is looked at and forgotten."""

HAND_OUT = {
    ("get", "/api/v1/export"),
    ("get", "/api/v1/exports/{export_id}/file"),
    ("get", "/api/v1/adapters/{name}/files"),
}
"""Nothing is changed, but all of something leaves."""


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as api:
        yield api


def kept(app: FastAPI) -> dict[tuple[str, str], AuditAct]:
    """The act that each audited route keeps, by method and path."""
    return {
        (method.lower(), context.path): found
        for included in app.routes
        for context in getattr(included, "effective_route_contexts", tuple)()
        if isinstance(context.original_route, APIRoute) and (found := act_of(context.original_route))
        for method in context.original_route.methods or ()
    }


async def for_admins(api: AdminApi, app: FastAPI) -> list[tuple[str, str]]:
    """Method and path of all that the OpenAPI describes and an annotator may not."""
    somebody = client(app, api.services, Role.ANNOTATOR)
    closed = []
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            answer = await somebody.request(method, re.sub(r"\{\w+\}", "1", path), json={})
            if answer.status_code == 403:
                closed.append((method, path))
    return closed


def acts_with_words() -> set[str]:
    """The acts that the page can tell in words; test_texts.py sees that both languages have them."""
    [table] = re.findall(r"const ACTS = \{(.*?)\n\};", static("admin/people/actions.js"), re.DOTALL)
    return set(re.findall(r"(\w+): t\(", table))


async def test_whatever_an_admin_can_change_is_kept_and_has_words(api: AdminApi) -> None:
    app = create_rest_app(api.services)
    acts = kept(app)
    changing = {one for one in await for_admins(api, app) if one[0] != "get"} - CHANGE_NOTHING
    assert len(changing) > 25
    assert changing - acts.keys() == set()
    assert {acts[one] for one in changing | HAND_OUT} - acts_with_words() == set()


def test_no_words_are_for_an_act_that_nobody_can_do(api: AdminApi) -> None:
    acts = kept(create_rest_app(api.services))
    assert acts_with_words() == set(acts.values()) == set(AuditAct)


@pytest.fixture
def judged(api: AdminApi) -> AdminApi:
    judge_new_pairs(api.store, [Choice.A, Choice.B], split=Split.TRAIN)
    return api


async def test_who_takes_all_preferences_is_kept(judged: AdminApi) -> None:
    answer = await judged.browser.get("/api/v1/export?format=trl")
    assert len(answer.text.splitlines()) == 2
    assert await judged.acts() == [("stream_preferences", {"format": "trl"})]


async def test_who_takes_a_version_is_kept(api: AdminApi) -> None:
    add_version(api.store, api.services.adapter_store, "v1")
    assert (await api.browser.get("/api/v1/adapters/v1/files")).status_code == 200
    assert (await api.browser.get("/api/v1/adapters/v9/files")).status_code == 404
    assert await api.acts() == [("download_version", {"name": "v1"})]


async def test_who_takes_a_file_that_was_made_is_kept(judged: AdminApi, tmp_path: Path) -> None:
    job = await judged.post("/exports", {}, status=202)
    await judged.services.jobs.close()
    number = (await judged.get(f"/errands/{job['id']}"))["result"]
    assert (await judged.browser.get(f"/api/v1/exports/{number}/file")).status_code == 200
    assert (await judged.acts())[0] == ("download_export", {"export_id": str(number)})


async def test_what_a_rebuild_leaves_out_is_kept(api: AdminApi, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(*_: object) -> None:
        """Train nothing."""

    monkeypatch.setattr(api.services.rebuilds, "plan", lambda *_: Plan(Without(), (1,)))
    monkeypatch.setattr(api.services.rebuilds, "start", start)
    await api.post("/rebuilds", {"annotators": ["wise-otter", "shy-fox"], "sources": []}, status=202)
    assert await api.acts() == [("rebuild_rounds", {"annotators": "wise-otter, shy-fox"})]


async def test_lists_and_fractions_are_kept(judged: AdminApi) -> None:
    await judged.post("/exports", {"agreement": 0.75, "rounds": [2, 3], "tags": ["t" * 150] * 2}, status=202)
    await judged.services.jobs.close()
    [(_, detail)] = await judged.acts()
    assert detail == {"agreement": 0.75, "rounds": "2, 3", "tags": f"{'t' * 150}, {'t' * 48}"}


@pytest.fixture
async def echo(store: PreferenceStore) -> AsyncIterator[AsyncClient]:
    """An application that takes whatever is sent; each act is kept."""
    app = FastAPI()
    routes = APIRouter(route_class=audited(store.audit))
    boss = store.people.add("boss", Role.ADMIN)

    @routes.post("/")
    @act(AuditAct.ROLE)
    async def take(request: Request) -> None:
        request.state.annotator = boss

    app.include_router(routes)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ('{"password": "secret", "passwords": ["secret"], "new_password": "secret"}', {}),
        ('{"people": [{"login": "ann", "password": "secret"}], "deep": {"password": "secret"}}', {}),
        ('{"mixed": ["a", {"password": "secret"}], "nested": [["secret"]], "none": [null]}', {}),
        ('{"nan": NaN, "huge": 1e999, "nothing": null, "empty": []}', {}),
        ('{"half": 0.5, "whole": 2, "yes": true, "text": "", "list": ["a", 1, 0.5]}', None),
    ],
)
async def test_only_plain_values_without_secrets_are_kept(
    echo: AsyncClient, store: PreferenceStore, sent: str, kept: dict[str, object] | None
) -> None:
    assert (await echo.post("/", content=sent)).status_code == 200
    [act] = store.audit.newest(9)
    assert act.detail == ({**json.loads(sent), "list": "a, 1, 0.5"} if kept is None else kept)


async def test_acts_are_read_a_page_at_a_time(api: AdminApi) -> None:
    for n in range(5):
        api.store.audit.add(None, AuditAct.ENABLE, {"person_id": n})
    newest = await api.get("/audit?limit=2")
    older = await api.get(f"/audit?limit=2&before={newest[-1]['id']}")
    assert [act["detail"]["person_id"] for act in (*newest, *older)] == [4, 3, 2, 1]
    assert {act["by"] for act in newest} == {None}


def test_a_route_that_changes_something_must_say_which_act_it_is(store: PreferenceStore) -> None:
    routes = APIRouter(route_class=audited(store.audit))
    with pytest.raises(TypeError, match=r"/users changes something; mark add with @act"):

        @routes.post("/users")
        async def add() -> None: ...
