"""A page in the looks that people see it in."""

from playwright.sync_api import Page

from tests.browser.conftest import Camera


def in_all_looks(page: Page, camera: Camera, name: str) -> None:
    """A picture in light, dark and on a phone."""
    camera(page, f"{name}-light")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.emulate_media(color_scheme="dark")
    camera(page, f"{name}-dark")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 390, "height": 844})
    camera(page, f"{name}-phone")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 1366, "height": 820})
