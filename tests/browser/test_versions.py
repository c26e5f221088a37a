"""The page on versions in a real browser: what serves, what served when, and what an admin makes of it."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Camera, sign_in
from tests.browser.looks import in_all_looks
from tests.browser.servers import Server, running


@pytest.fixture
def versions(tmp_path: Path, page: Page) -> Iterator[Page]:
    """The page, open for an admin; round-000002 serves."""
    with running(["tests.browser.planted_server", str(tmp_path)], tmp_path) as server:
        open_versions(page, server)
        yield page


def open_versions(page: Page, server: Server) -> None:
    sign_in(page, server, "boss")
    page.goto(f"{server.url}/admin/versions/")
    page.wait_for_selector('.admin[data-state="shown"]')


def item(page: Page, name: str) -> Locator:
    """A version's own part, without its children's."""
    return page.locator(f'li[data-name="{name}"] > .versions-item')


def act(page: Page, name: str, button: str, reason: str) -> None:
    item(page, name).get_by_role("button", name=button).click()
    answer(page, button, reason)


def answer(page: Page, button: str, reason: str) -> None:
    dialog = page.get_by_role("dialog")
    dialog.locator("textarea").fill(reason)
    dialog.get_by_role("button", name=button).click()
    expect(dialog).to_be_hidden()


def test_versions_are_moved_with_a_reason(versions: Page, camera: Camera):
    expect(versions.locator('[data-part="serving"]')).to_have_text("round-000002")
    expect(item(versions, "round-000003")).to_contain_text("rejected: Its answers are twice as long.")
    expect(versions.locator('li[data-name="round-000001"] li[data-name="round-000002"]')).to_have_count(1)
    expect(versions.locator('[data-part="bars"] > div')).to_have_count(3)
    expect(versions.locator('[data-part="match-title"]')).to_have_text("round-000002 against round-000001")
    expect(versions.locator('[data-part="match-votes"]')).to_have_text("24 wins, 12 losses, 0 ties")
    expect(versions.locator('[data-part="ladder"] > div')).to_have_count(3)
    in_all_looks(versions, camera, "versions")

    act(versions, "round-000003", "Promote", "We like them long.")
    expect(versions.locator('[data-part="serving"]')).to_have_text("round-000003")
    expect(versions.locator('[data-part="why"]')).to_contain_text("We like them long.")

    versions.get_by_role("button", name="Roll back").click()
    answer(versions, "Roll back", "Too long after all.")
    expect(versions.locator('[data-part="serving"]')).to_have_text("round-000002")
    expect(item(versions, "round-000003")).to_contain_text("rolled back: Too long after all.")

    act(versions, "round-000003", "Retire", "It will not be wanted.")
    expect(item(versions, "round-000003").get_by_role("button", name="Promote")).to_have_count(0)


def test_a_version_is_downloaded(versions: Page):
    with versions.expect_download() as downloading:
        item(versions, "round-000001").get_by_role("link", name="Download").click()
    with zipfile.ZipFile(downloading.value.path()) as packed:
        assert "round-000001/adapter_model.safetensors" in packed.namelist()


def test_the_page_on_versions_speaks_chinese(versions: Page, camera: Camera):
    versions.locator("[data-language]").click()
    expect(versions.locator("h1")).to_have_text("版本")
    camera(versions, "versions-zh")
