import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from app.people.visitor import Visitor
from app.services import Services
from app.web.server import create_app, create_rest_app
from data.records import Annotator, Role
from tests.app.pages_stage import stage

PASSWORD = "correct horse"
LARGEST = 2**63 - 1


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with stage(tmp_path, buffer=0, prompts=1) as services:
        yield services


@pytest.fixture
async def app(services: Services) -> FastAPI:
    return create_rest_app(services)


@pytest.fixture
def ann(services: Services) -> Annotator:
    return services.accounts.add("ann", Role.ANNOTATOR, PASSWORD)


@pytest.fixture
def boss(services: Services) -> Annotator:
    return services.accounts.add("boss", Role.ADMIN, PASSWORD)


class Caller:
    """One session of a person at the API."""

    def __init__(self, app: FastAPI, token: str = "") -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.client = AsyncClient(transport=ASGITransport(app), base_url="http://loop.test/api/v1", headers=headers)

    async def get(self, path: str) -> Any:
        return (await self.client.get(path)).raise_for_status().json()

    async def post(self, path: str, **body: object) -> tuple[int, Any]:
        answer = await self.client.post(path, json=body)
        return answer.status_code, answer.json() if answer.content else None

    async def delete(self, path: str) -> int:
        return (await self.client.delete(path)).status_code

    async def lives(self) -> bool:
        return (await self.client.get("/account")).status_code == 200


@pytest.fixture
def enter(app: FastAPI, services: Services):
    def open_session(person: Annotator) -> Caller:
        token, _ = services.accounts.sign_in(person.login, PASSWORD, Visitor("here", agent="Firefox"))
        return Caller(app, token)

    return open_session


async def test_a_person_sees_who_they_are(enter, ann: Annotator) -> None:
    account = await enter(ann).get("/account")
    assert account == {
        "login": "ann",
        "pseudonym": ann.pseudonym,
        "role": "annotator",
        "created_at": ann.created_at,
        "has_password": True,
    }


async def test_a_new_password_ends_every_other_session(enter, ann: Annotator) -> None:
    here, there = enter(ann), enter(ann)
    assert await here.post("/account/password", current=PASSWORD, new="another horse") == (204, None)
    assert await here.lives()
    assert not await there.lives()
    status, _ = await there.post("/session", login="ann", password="another horse")
    assert status == 200


async def test_a_wrong_current_password_changes_nothing_and_is_throttled(enter, ann: Annotator) -> None:
    here = enter(ann)
    tries = [await here.post("/account/password", current="wrong", new="another horse") for _ in range(6)]
    assert [status for status, _ in tries] == [422] * 5 + [409]
    assert tries[0][1]["detail"] == "The current password is wrong."
    assert (await here.post("/session", login="ann", password=PASSWORD))[0] == 200


async def test_an_unfit_new_password_is_refused_with_a_template(enter, ann: Annotator) -> None:
    status, said = await enter(ann).post("/account/password", current=PASSWORD, new="short")
    assert status == 422
    assert said["values"] == {"length": 5, "shortest": 8, "longest": 256}
    assert said["template"].format(**said["values"]) == said["detail"]


async def test_who_came_by_a_link_sets_a_first_password_without_an_old_one(app: FastAPI, services: Services) -> None:
    bob = services.accounts.add("bob", Role.ANNOTATOR)
    token, _ = services.accounts.redeem(services.accounts.make_link(bob.id))
    here = Caller(app, token)
    assert not (await here.get("/account"))["has_password"]
    assert (await here.post("/account/password", new=PASSWORD))[0] == 204
    assert (await here.post("/account/password", new="another horse"))[0] == 422


async def test_sessions_are_listed_and_ended(enter, ann: Annotator, boss: Annotator) -> None:
    here, there, other = enter(ann), enter(ann), enter(boss)
    [newer, older] = await here.get("/account/sessions")
    assert (older["this"], newer["this"], newer["agent"], newer["name"]) == (True, False, "Firefox", None)
    assert "token_sha256" not in newer
    assert await other.delete(f"/account/sessions/{newer['id']}") == 404
    assert await there.lives()
    assert await here.delete(f"/account/sessions/{newer['id']}") == 204
    assert await here.delete(f"/account/sessions/{newer['id']}") == 404
    assert not await there.lives()
    assert await here.lives()


async def test_all_other_browsers_can_be_signed_out_at_once(enter, ann: Annotator) -> None:
    here, others = enter(ann), [enter(ann), enter(ann)]
    await here.post("/account/tokens", name="export")
    assert await here.post("/account/sessions/end-others") == (200, {"ended": 2})
    assert [await other.lives() for other in others] == [False, False]
    assert [session["name"] for session in await here.get("/account/sessions")] == ["export", None]


async def test_a_token_works_until_it_is_revoked(app: FastAPI, enter, ann: Annotator) -> None:
    here = enter(ann)
    status, made = await here.post("/account/tokens", name=" nightly export ", days=30)
    program = Caller(app, made["token"])
    assert status == 201
    assert (await program.get("/account"))["login"] == "ann"
    [listed, _] = await here.get("/account/sessions")
    assert listed["name"] == "nightly export"
    assert listed["expires_at"] - listed["created_at"] == 30 * 86_400_000
    assert await here.delete(f"/account/sessions/{listed['id']}") == 204
    assert not await program.lives()


@pytest.fixture
def made(services: Services, app: FastAPI):
    """A program with an API token of somebody."""

    def make(person: Annotator) -> Caller:
        return Caller(app, services.accounts.make_token(person.id, "program", valid_ms=1_000_000, maker="browser"))

    return make


CREDENTIALS = [
    ("POST", "/account/password", {"current": PASSWORD, "new": "another horse"}),
    ("POST", "/account/sessions/end-others", {}),
    ("DELETE", "/account/sessions/1", {}),
    ("POST", "/account/tokens", {"name": "another", "days": 366}),
    ("POST", "/users", {"login": "eve", "password": PASSWORD, "role": "admin"}),
    ("POST", "/people/1/disable", {}),
    ("POST", "/people/1/enable", {}),
    ("POST", "/people/1/role", {"role": "admin"}),
    ("POST", "/people/1/link", {"days": 366}),
    ("POST", "/people/1/password", {"password": "another horse"}),
    ("POST", "/people/1/sign-out", {}),
    ("POST", "/people/invites", {"role": "admin"}),
    ("DELETE", "/people/invites/1", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), CREDENTIALS)
async def test_an_api_token_touches_no_credentials(
    made, ann: Annotator, boss: Annotator, enter, services: Services, method: str, path: str, body: dict[str, Any]
) -> None:
    browser = enter(boss)
    answer = await made(boss).client.request(method, path, json=body)
    assert answer.status_code == 403
    assert "An API token cannot change" in answer.json()["detail"]
    assert await browser.lives()
    assert len(services.accounts.people.all()) == 2


def test_every_route_that_changes_credentials_is_among_them(app: FastAPI) -> None:
    changing = {
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        if path.startswith(("/api/v1/account", "/api/v1/people", "/api/v1/users"))
        for method in methods
        if method != "get" and "quarantine" not in path  # which is about judgments
    }
    tried = {(method, re.sub(r"/1(?=/|$)", "/{}", f"/api/v1{path}")) for method, path, _ in CREDENTIALS}
    assert {(method, re.sub(r"{\w+}", "{}", path)) for method, path in changing} == tried


async def test_an_api_token_reads_what_its_person_may_read(made, boss: Annotator) -> None:
    for path in ("/account", "/account/sessions", "/people", "/people/invites"):
        assert (await made(boss).client.get(path)).status_code == 200


async def test_the_owner_of_the_home_may_change_credentials(app: FastAPI, services: Services, boss: Annotator) -> None:
    owner = Caller(app, services.accounts.grant(boss.id))
    assert (await owner.post("/people/invites", role="annotator"))[0] == 201
    assert (await owner.post("/account/tokens", name="nightly"))[0] == 201


async def test_a_token_dies_when_the_session_that_made_it_is_revoked(
    app: FastAPI, enter, ann: Annotator, services: Services
) -> None:
    stolen, here = enter(ann), enter(ann)
    program = Caller(app, (await stolen.post("/account/tokens", name="hidden", days=366))[1]["token"])
    assert await program.lives()
    [theirs] = [session for session in await stolen.get("/account/sessions") if session["this"]]
    assert await here.delete(f"/account/sessions/{theirs['id']}") == 204
    assert not await program.lives()


async def test_signing_out_leaves_the_tokens_that_were_made(app: FastAPI, enter, ann: Annotator) -> None:
    here = enter(ann)
    program = Caller(app, (await here.post("/account/tokens", name="nightly"))[1]["token"])
    assert (await here.client.post("http://loop.test/auth/logout")).status_code == 200
    assert not await here.lives()
    assert await program.lives()


@pytest.mark.parametrize("body", [{"name": ""}, {"name": "  "}, {"name": "x" * 65}, {"name": "x", "days": 0}])
async def test_a_token_without_a_name_or_an_end_is_refused(enter, ann: Annotator, body: dict[str, Any]) -> None:
    assert (await enter(ann).post("/account/tokens", **body))[0] == 422


async def test_people_are_for_admins(app: FastAPI, enter, ann: Annotator) -> None:
    for caller, status in ((enter(ann), 403), (Caller(app), 401)):
        assert (await caller.client.get("/people")).status_code == status
        assert (await caller.client.get("/people/invites")).status_code == status
        assert (await caller.post(f"/people/{ann.id}/role", role="admin"))[0] == status
        assert (await caller.post("/people/invites"))[0] == status
        assert await caller.delete("/people/invites/1") == status


async def test_an_admin_lists_people(enter, ann: Annotator, boss: Annotator) -> None:
    people = await enter(boss).get("/people")
    assert [(person["login"], person["role"], person["disabled_at"]) for person in people] == [
        ("ann", "annotator", None),
        ("boss", "admin", None),
    ]
    assert set(people[0]) == {"id", "login", "pseudonym", "role", "created_at", "disabled_at"}


async def test_an_admin_disables_and_enables(enter, ann: Annotator, boss: Annotator) -> None:
    admin, annotator = enter(boss), enter(ann)
    _, disabled = await admin.post(f"/people/{ann.id}/disable")
    assert disabled["disabled_at"] is not None
    assert not await annotator.lives()
    status, said = await annotator.post("/session", login="ann", password=PASSWORD)
    assert (status, said["detail"]) == (422, "This account is disabled. Ask an admin to enable it.")
    assert (await admin.post(f"/people/{ann.id}/link", days=1))[0] == 409
    assert (await admin.post(f"/people/{ann.id}/enable"))[1]["disabled_at"] is None
    assert (await annotator.post("/session", login="ann", password=PASSWORD))[0] == 200


async def test_the_only_admin_cannot_be_taken_away(enter, ann: Annotator, boss: Annotator) -> None:
    admin = enter(boss)
    for path, body in (("disable", {}), ("role", {"role": "annotator"})):
        status, said = await admin.post(f"/people/{boss.id}/{path}", **body)
        assert (status, said["values"]) == (409, {"login": "boss"})
    assert (await admin.post(f"/people/{ann.id}/role", role="admin"))[1]["role"] == "admin"
    assert (await admin.post(f"/people/{boss.id}/role", role="annotator"))[0] == 200
    assert (await admin.client.get("/people")).status_code == 403


async def test_an_admin_ends_sessions_gives_passwords_and_links(enter, ann: Annotator, boss: Annotator) -> None:
    admin, annotator = enter(boss), enter(ann)
    assert await admin.post(f"/people/{ann.id}/sign-out") == (200, {"ended": 1})
    assert not await annotator.lives()
    _, link = await admin.post(f"/people/{ann.id}/link", days=2)
    browser = AsyncClient(transport=annotator.client._transport, base_url="http://loop.test")
    assert link["path"] == f"/auth/link?token={link['token']}"
    assert (await browser.post("/auth/link", json={"token": link["token"]})).json() == {"next": "/annotate/"}
    assert (await browser.get("/api/v1/account")).json()["login"] == "ann"
    assert (await admin.post(f"/people/{ann.id}/password", password="another horse"))[0] == 204
    assert (await browser.get("/api/v1/account")).status_code == 401
    assert (await annotator.post("/session", login="ann", password="another horse"))[0] == 200


@pytest.mark.parametrize("number", [99, LARGEST])
async def test_unknown_people_and_invites_are_not_found(enter, boss: Annotator, number: int) -> None:
    admin = enter(boss)
    for path, body in (
        ("disable", {}),
        ("enable", {}),
        ("sign-out", {}),
        ("link", {"days": 1}),
        ("role", {"role": "admin"}),
        ("password", {"password": PASSWORD}),
    ):
        assert (await admin.post(f"/people/{number}/{path}", **body))[0] == 404
    assert await admin.delete(f"/people/invites/{number}") == 404
    assert await admin.delete(f"/account/sessions/{number}") == 404


@pytest.mark.parametrize("number", [LARGEST + 1, 0, -1])
async def test_a_number_that_no_row_can_have_is_unfit(enter, boss: Annotator, number: int) -> None:
    admin = enter(boss)
    assert (await admin.post(f"/people/{number}/disable"))[0] == 422
    assert await admin.delete(f"/people/invites/{number}") == 422
    assert await admin.delete(f"/account/sessions/{number}") == 422


async def test_an_invite_lets_one_person_join(services: Services, enter, boss: Annotator) -> None:
    admin = enter(boss)
    status, made = await admin.post("/people/invites", role="annotator", days=3)
    assert status == 201
    assert made["invite"]["expires_at"] - made["invite"]["created_at"] == 3 * 86_400_000
    browser = AsyncClient(transport=ASGITransport(create_app(services)), base_url="http://loop.test")
    for _ in range(2):
        assert (await browser.get(made["path"], headers={"sec-purpose": "prefetch"})).status_code == 200
    body = {"token": made["token"], "login": " bob ", "password": PASSWORD}
    joined = await browser.post("/auth/join", json=body)
    assert joined.json() == {"next": "/annotate/"}
    assert (await browser.get("/api/v1/account")).json()["login"] == "bob"
    again = await browser.post("/auth/join", json=body | {"login": "eve"})
    assert (again.status_code, "has been used" in again.json()["detail"]) == (422, True)
    [spent] = await admin.get("/people/invites")
    people = {person["id"]: person["login"] for person in await admin.get("/people")}
    assert (people[spent["spent_by"]], people[spent["made_by"]]) == ("bob", "boss")
    assert await admin.delete(f"/people/invites/{spent['id']}") == 409


async def test_what_is_wrong_with_joining_is_said_and_spends_nothing(app: FastAPI, enter, boss: Annotator) -> None:
    admin = enter(boss)
    _, made = await admin.post("/people/invites", days=1)
    browser = AsyncClient(transport=ASGITransport(app), base_url="http://loop.test")
    good = {"token": made["token"], "login": "bob", "password": PASSWORD}
    for change, status, words in (
        ({"login": "boss"}, 409, "The username 'boss' is taken"),
        ({"login": "a b"}, 422, "1 to 64 letters"),
        ({"password": "short"}, 422, "8 to 256"),
        ({"token": "made up"}, 422, "Ask an admin for a new one"),
    ):
        answer = await browser.post("/auth/join", json=good | change)
        assert answer.status_code == status
        assert words in answer.json()["detail"]
        assert "set-cookie" not in answer.headers
    assert (await browser.post("/auth/join", json=good)).status_code == 200


async def test_a_withdrawn_invite_is_worthless(app: FastAPI, enter, boss: Annotator) -> None:
    admin = enter(boss)
    _, made = await admin.post("/people/invites", days=1)
    assert await admin.delete(f"/people/invites/{made['invite']['id']}") == 204
    body = {"token": made["token"], "login": "bob", "password": PASSWORD}
    assert (await Caller(app).client.post("http://loop.test/auth/join", json=body)).status_code == 422


@pytest.mark.parametrize("path", ["/api/v1/session", "/auth/login"])
async def test_what_is_unfit_is_named_but_never_repeated(app: FastAPI, path: str) -> None:
    """Neither a password that is too long nor half of a surrogate pair, which UTF-8 cannot hold."""
    stranger = AsyncClient(transport=ASGITransport(app), base_url="http://loop.test")
    for password in ("secret" * 99, "secret\ud800"):
        body = json.dumps({"login": "ann", "password": password})
        answer = await stranger.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "password"]
        assert "secret" not in answer.text
