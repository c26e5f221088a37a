"""The page on settings in a real browser."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import Camera, sign_in
from tests.browser.looks import in_all_looks
from tests.browser.servers import Server


def test_every_setting_is_shown_with_where_it_came_from(canned: Server, page: Page, camera: Camera):
    sign_in(page, canned, "boss")
    page.goto(f"{canned.url}/admin/settings/")
    page.wait_for_selector('.admin[data-state="shown"]')
    expect(page.locator('[data-key="port"]')).to_contain_text("7860")
    expect(page.locator('[data-key="port"]')).to_contain_text("default")
    expect(page.locator("h2", has_text="[queue]")).to_be_visible()
    in_all_looks(page, camera, "settings")
    page.locator("[data-language]").click()
    expect(page.locator("h1")).to_have_text("设置")
    camera(page, "settings-zh")
