"""The overview in a real browser: a home where much has happened, and a new one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Camera, sign_in
from tests.browser.looks import in_all_looks
from tests.browser.servers import Server, running


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[Server]:
    with running(["tests.browser.planted_server", str(tmp_path)], tmp_path) as server:
        yield server


def open_overview(page: Page, server: Server) -> None:
    sign_in(page, server, "boss")
    page.goto(f"{server.url}/admin/overview/")
    page.wait_for_selector('.admin[data-state="shown"]')


def test_what_wants_a_look_leads_there(planted: Server, page: Page, camera: Camera):
    open_overview(page, planted)
    needs = page.locator('[data-part="list"]')
    expect(needs).to_contain_text("Picks the left side 100 % of the time")
    expect(page.locator('[data-part="tiles"]')).to_contain_text("round-000002")
    assert page.locator('[data-part="days"] > div').count() == 30
    expect(page.locator('[data-part="rounds"] > div')).to_have_count(1)
    in_all_looks(page, camera, "overview")
    needs.get_by_text("1 flag stands.").click()
    expect(page.get_by_role("tab", name="Flags")).to_have_attribute("aria-selected", "true")


def test_a_new_home_has_an_overview_too(canned: Server, page: Page, camera: Camera):
    open_overview(page, canned)
    expect(page.locator('[data-part="tiles"]')).to_contain_text("There was none yet.")
    page.locator("[data-language]").click()
    expect(page.locator("h1")).to_have_text("概览")
    camera(page, "overview-zh")
