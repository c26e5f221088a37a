"""The gate: who gets through to which path, from where, and what every answer carries."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from app.services import Services
from data.records import Role
from tests.app.pages_stage import client, stage, web

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = {"accept": "text/html"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    async with stage(tmp_path_factory.mktemp("gate"), buffer=0, prompts=1) as services:
        yield services


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(services: Services) -> FastAPI:
    """Asynchronous because Gradio, outside a running loop, makes loops that it never closes."""
    return web(services)


@pytest.fixture
def stranger(app: FastAPI, services: Services) -> AsyncClient:
    return client(app, services, None)


@pytest.fixture
def annotator(app: FastAPI, services: Services) -> AsyncClient:
    return client(app, services, Role.ANNOTATOR)


@pytest.fixture
def admin(app: FastAPI, services: Services) -> AsyncClient:
    return client(app, services, Role.ADMIN)


@pytest.mark.parametrize("path", ["/annotate/", "/admin/", "/", "/api/v1/pairs/next", "/no/such/path", "/docs"])
async def test_a_stranger_is_asked_to_sign_in(stranger: AsyncClient, path: str):
    assert (await stranger.get(path)).status_code == 401
    page = await stranger.get(path, headers=PAGE)
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in/")


@pytest.mark.parametrize("path", ["/sign-in", "/sign-in/", "/join", "/join/", "/favicon.ico"])
async def test_what_is_public_is_public(stranger: AsyncClient, path: str):
    assert (await stranger.get(path)).status_code == 200


async def test_strangers_get_the_scripts_that_the_sign_in_page_names(stranger: AsyncClient):
    page = (await stranger.get("/sign-in/")).text
    scripts = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(scripts) > 1
    for script in scripts:
        answer = await stranger.get(script)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
        assert "immutable" in answer.headers["cache-control"]
        assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert (await stranger.get("/static/x/account/sign_in.js")).status_code == 404
    assert (await stranger.post(scripts[0])).status_code == 401


@pytest.mark.parametrize("path", ["/admin", "/admin/", "/admin/overview/", "/admin/rounds"])
async def test_admin_is_for_admins(annotator: AsyncClient, admin: AsyncClient, path: str):
    assert (await annotator.get(path)).status_code == 403
    assert "Admins only" in (await annotator.get(path, headers=PAGE)).text
    assert (await admin.get(path, follow_redirects=True)).status_code == 200


async def test_admin_leads_to_the_first_of_its_pages(admin: AsyncClient):
    for path in ("/admin", "/admin/"):
        answer = await admin.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/overview/")


@pytest.mark.parametrize("path", ["/admin/config", "/admin/gradio_api/queue/join", "/admin/assets/x.js"])
async def test_gradio_serves_nothing_of_the_admins(admin: AsyncClient, path: str):
    assert (await admin.get(path)).status_code == 404
    assert (await admin.post(path, json={})).status_code == 404


@pytest.mark.parametrize(
    "rest",
    [
        "openapi.json",
        "monitoring",
        "monitoring/summary",
        "login",
        "gradio_api/token",
        "gradio_api/file=/etc/passwd",
        "gradio_api/proxy=http://evil.example/",
        "gradio_api/upload",
        "gradio_api/deep_link",
        "gradio_api/runs",
        "gradio_api/run/live",
        "gradio_api/call/live",
        "gradio_api/stream/x",
        "../admin/config",
    ],
)
async def test_what_gradio_opens_and_nobody_needs_is_closed(annotator: AsyncClient, rest: str):
    assert (await annotator.get(f"/annotate/{rest}")).status_code in (403, 404)
    assert (await annotator.post(f"/annotate/{rest}", json={})).status_code in (403, 404)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://loop.test.evil.example"},
        {"origin": "https://loop.test"},
        {"origin": "http://loop.test:8080"},
        {"origin": "http://[loop.test"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://loop.test", "sec-fetch-site": "cross-site"},
    ],
)
async def test_other_sites_cannot_act_for_a_person(annotator: AsyncClient, headers: dict[str, str]):
    for path in ("/auth/logout", "/auth/login", "/annotate/gradio_api/queue/join", "/api/v1/session"):
        assert (await annotator.post(path, json={}, headers=headers)).status_code == 403
    assert (await annotator.get("/auth/session")).status_code == 204


async def test_other_sites_cannot_read(annotator: AsyncClient):
    answer = await annotator.get("/annotate/config", headers={"origin": "http://evil.example"})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control-allow")]


async def test_own_pages_and_programs_can_act(annotator: AsyncClient):
    own = {"origin": "http://loop.test", "sec-fetch-site": "same-origin"}
    for headers in (own, {}, {"origin": "http://loop.test:80"}):
        answer = await annotator.post("/annotate/gradio_api/reset", json={"event_id": "x"}, headers=headers)
        assert answer.status_code == 200


async def test_a_bearer_token_is_as_good_as_the_cookie(stranger: AsyncClient, services: Services):
    ann = services.accounts.add("bearer", Role.ANNOTATOR)
    token, _ = services.accounts.redeem(services.accounts.make_link(ann.id))
    assert (await stranger.get("/auth/session", headers={"authorization": f"Bearer {token}"})).status_code == 204
    for bad in (f"Bearer {token}x", "Bearer", f"Basic {token}"):
        assert (await stranger.get("/auth/session", headers={"authorization": bad})).status_code == 401


async def test_every_answer_carries_the_headers(stranger: AsyncClient, annotator: AsyncClient):
    for answer in (await stranger.get("/sign-in/"), await stranger.get("/admin/"), await annotator.get("/annotate/")):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"


async def test_signing_in_with_a_password_and_out(stranger: AsyncClient, services: Services):
    services.accounts.add("password", Role.ANNOTATOR, "correct horse")
    wrong = await stranger.post("/auth/login", json={"login": "password", "password": "wrong horse"})
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers
    right = await stranger.post("/auth/login", json={"login": " password ", "password": "correct horse"})
    assert right.json() == {"next": "/annotate/"}
    cookies = [cookie.lower() for cookie in right.headers.get_list("set-cookie")]
    assert [cookie.partition("=")[0] for cookie in cookies] == ["prefloop_session", "prefloop_device"]
    assert all("httponly" in cookie and "samesite=lax" in cookie and "secure" not in cookie for cookie in cookies)
    token = stranger.cookies["prefloop_session"]
    assert (await stranger.post("/auth/logout")).status_code == 200
    assert services.accounts.annotator_of(token) is None


async def test_cookies_are_secure_where_the_line_is(app: FastAPI, services: Services):
    services.accounts.add("https", Role.ANNOTATOR, "correct horse")
    browser = AsyncClient(transport=ASGITransport(app), base_url="https://loop.test")
    answer = await browser.post("/auth/login", json={"login": "https", "password": "correct horse"})
    assert all("; Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))


async def test_a_browser_once_signed_in_is_not_locked_out_by_its_neighbours(app: FastAPI, services: Services):
    services.accounts.add("neighbour", Role.ANNOTATOR, "correct horse")
    right = {"login": "neighbour", "password": "correct horse"}
    home, stranger = (AsyncClient(transport=ASGITransport(app), base_url="http://loop.test") for _ in range(2))
    await home.post("/auth/login", json=right)
    await home.post("/auth/logout")
    for _ in range(5):
        await stranger.post("/auth/login", json=right | {"password": "wrong"})
    assert (await stranger.post("/auth/login", json=right)).status_code == 429
    assert (await home.post("/auth/login", json=right)).status_code == 200


async def test_guessing_over_http_is_throttled(stranger: AsyncClient, services: Services):
    services.accounts.add("guessed", Role.ANNOTATOR, "correct horse")
    tries = [await stranger.post("/auth/login", json={"login": "guessed", "password": "wrong"}) for _ in range(6)]
    assert [answer.status_code for answer in tries] == [401] * 5 + [429]


async def test_a_link_signs_in_once_and_not_by_being_opened(stranger: AsyncClient, services: Services):
    ann = services.accounts.add("linked", Role.ANNOTATOR)
    token = services.accounts.make_link(ann.id)
    for _ in range(3):
        page = await stranger.get(f"/auth/link?token={token}")
        assert (page.status_code, 'data-login="linked"' in page.text) == (200, True)
        assert "set-cookie" not in page.headers
    first = await stranger.post("/auth/link", json={"token": token})
    assert first.json() == {"next": "/annotate/"}
    assert (await stranger.get("/auth/session")).status_code == 204
    again = await stranger.post("/auth/link", json={"token": token})
    assert (again.status_code, "used or has expired" in again.json()["detail"]) == (422, True)
    second = await stranger.get(f"/auth/link?token={token}", follow_redirects=True)
    assert "used or has expired" in second.text


async def test_no_other_site_signs_anybody_in(stranger: AsyncClient, services: Services):
    token = services.accounts.make_link(services.accounts.add("unasked", Role.ANNOTATOR).id)
    headers = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
    assert (await stranger.post("/auth/link", json={"token": token}, headers=headers)).status_code == 403
    assert services.accounts.linked(token).login == "unasked"


async def test_a_proxy_that_does_not_say_the_scheme_is_named_with_the_way_out(annotator: AsyncClient):
    answer = await annotator.post("/auth/logout", headers={"origin": "https://loop.test"})
    assert answer.status_code == 403
    assert "The page came by https, the request by http." in answer.json()["detail"]
    assert "X-Forwarded-Proto" in answer.json()["detail"]


@pytest.mark.parametrize("header", ["x-forwarded-host", "x-gradio-server", "x-forwarded-proto"])
async def test_gradio_believes_nobody_where_it_is(annotator: AsyncClient, header: str):
    believed = {header: "https" if header == "x-forwarded-proto" else "http://evil.example"}
    for path in ("/annotate/config", "/annotate/"):
        answer = await annotator.get(path, headers=believed)
        assert answer.status_code == 200
        assert "evil.example" not in answer.text
        assert "https://loop.test" not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/api/v1/session", "/api/v1/desk", "/api/v1/people", "/annotate/", "/annotate/config", "/auth/session", "/x"],
)
async def test_what_is_somebodys_own_is_stored_nowhere(annotator: AsyncClient, path: str):
    assert (await annotator.get(path)).headers["cache-control"] == "no-store"


async def test_what_is_everybodys_may_be_stored(annotator: AsyncClient):
    page = (await annotator.get("/annotate/")).text
    [script, *_] = re.findall(r'"(?:\./)?(assets/[^"]+\.js)"', page)
    for path in (f"/annotate/{script}", "/annotate/theme.css", "/favicon.ico"):
        answer = await annotator.get(path)
        assert answer.status_code == 200
        assert answer.headers.get("cache-control") != "no-store"


async def test_the_sign_in_page_repeats_nothing_it_is_told(stranger: AsyncClient):
    assert "hacked" not in (await stranger.get("/sign-in/?why=<b>hacked</b>")).text
