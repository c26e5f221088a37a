"""Joining and one's own account in a real browser."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Camera, Visitors, sign_in
from tests.browser.looks import in_all_looks
from tests.browser.servers import Server

BOARD = '.pl-board[data-state="pair"]'
SHOWN = '.account[data-state="shown"]'


@pytest.fixture
def api(canned: Server) -> Iterator[httpx.Client]:
    """The API as boss."""
    with httpx.Client(base_url=f"{canned.url}/api/v1", trust_env=False) as client:
        token = client.post("/session", json={"login": "boss", "password": PASSWORD}).json()["token"]
        client.headers["authorization"] = f"Bearer {token}"
        yield client


@pytest.fixture
def invite(canned: Server, api: httpx.Client) -> str:
    return f"{canned.url}{api.post('/people/invites', json={'days': 1}).json()['path']}"


def join(page: Page, invite: str, login: str) -> None:
    page.goto(invite)
    page.fill("[name=login]", login)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector(BOARD)


def account(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/account/")
    page.wait_for_selector(SHOWN)


def test_joining_by_an_invite_loses_nothing_on_an_error(page: Page, invite: str, camera: Camera):
    page.goto(invite)
    page.fill("[name=login]", "boss")
    page.fill("[name=password]", "short")
    page.click("text=Create account")
    expect(page.locator("[role=alert]:visible")).to_contain_text("8 to 256")
    in_all_looks(page, camera, "join")
    page.click("text=Show")
    expect(page.locator("[name=password]")).to_have_attribute("type", "text")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("[role=alert]:visible")).to_contain_text("The username 'boss' is taken")
    expect(page.locator("[name=password]")).to_have_value(PASSWORD)
    page.fill("[name=login]", "jo")
    page.keyboard.press("Enter")
    page.wait_for_selector(BOARD)
    page.goto(invite)
    expect(page.locator("[role=alert]:visible")).to_contain_text("has been used")
    expect(page.locator("[name=login]")).to_be_hidden()
    in_all_looks(page, camera, "join-closed")


def test_a_new_password_ends_the_other_session(page: Page, canned: Server, invite: str, another: Visitors):
    join(page, invite, "pam")
    other = another().new_page()
    sign_in(other, canned, "pam")
    account(page, canned)
    expect(page.locator("[data-part=sessions] li")).to_have_count(2)
    page.fill("[name=current]", "wrong horse")
    page.fill("[name=new]", "another horse")
    page.click("text=Change password")
    expect(page.locator("[role=alert]:visible")).to_have_text("The current password is wrong.")
    expect(page.locator("[name=new]")).to_have_value("another horse")
    page.fill("[name=current]", PASSWORD)
    page.click("text=Change password")
    expect(page.locator("[data-part=changed]")).to_contain_text("signed out everywhere else")
    expect(page.locator("[data-part=sessions] li")).to_have_count(1)
    other.goto(f"{canned.url}/account/")
    assert other.url.endswith("/sign-in/")


def test_sessions_are_ended_one_by_one_and_all_at_once(
    page: Page, canned: Server, invite: str, another: Visitors, camera: Camera
):
    join(page, invite, "sam")
    others = [another().new_page() for _ in range(3)]
    for other in others:
        sign_in(other, canned, "sam")
    account(page, canned)
    rows = page.locator("[data-part=sessions] li")
    expect(rows).to_have_count(4)
    expect(rows.first).to_contain_text("This one")
    expect(rows.first.locator("button")).to_have_count(0)
    in_all_looks(page, camera, "account")
    rows.nth(1).get_by_role("button").click()
    expect(rows).to_have_count(3)
    page.click("text=Sign out everywhere else")
    expect(rows).to_have_count(1)
    expect(page.locator("text=Sign out everywhere else")).to_be_hidden()
    for other in others:
        other.goto(f"{canned.url}/account/")
        assert other.url.endswith("/sign-in/")
    page.click("[data-do=sign-out]")
    page.wait_for_url("**/sign-in/")


def test_a_token_is_shown_once_works_and_is_revoked(page: Page, canned: Server, invite: str, camera: Camera):
    join(page, invite, "tom")
    account(page, canned)
    page.fill("[data-part=make] [name=name]", "<b>nightly</b> export")
    page.click("text=Create token")
    page.wait_for_selector("[data-part=made]")
    token = page.inner_text("[data-part=token]")
    page.locator("[data-part=made]").scroll_into_view_if_needed()
    in_all_looks(page, camera, "token")
    bearer = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{canned.url}/api/v1", headers=bearer, trust_env=False) as program:
        assert program.get("/account").json()["login"] == "tom"
        account(page, canned)
        expect(page.locator("[data-part=made]")).to_be_hidden()
        expect(page.locator("[data-part=tokens] li b")).to_have_text("<b>nightly</b> export")
        page.get_by_role("button", name="Revoke").click()
        assert program.get("/account").status_code == 200
        page.click("text=Really revoke?")
        expect(page.locator("[data-part=tokens] li")).to_have_count(0)
        assert program.get("/account").status_code == 401


def test_the_account_page_is_for_those_who_are_signed_in(page: Page, canned: Server, camera: Camera):
    page.goto(f"{canned.url}/account/")
    assert page.url.endswith("/sign-in/")
    in_all_looks(page, camera, "sign-in")
