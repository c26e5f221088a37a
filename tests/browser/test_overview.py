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
    needs.get_by_text("1 open flag").click()
    expect(page.get_by_role("tab", name="Flags")).to_have_attribute("aria-selected", "true")


def test_pictures_come_first(planted: Server, page: Page):
    open_overview(page, planted)
    tops = [page.locator(f'[data-part="{name}"]').bounding_box() for name in ("pictures", "tiles", "needs")]
    heights = [box["y"] for box in tops if box]
    assert len(heights) == 3 and heights == sorted(heights)
    page.locator('[data-part="chip"]').click()
    expect(page.locator('[data-part="needs"]')).to_be_in_viewport()


def assert_drawn(page: Page, name: str, shares: list[tuple[float, float, float]]) -> None:
    """A picture has these shares, from left to right, each at its height and on its interval."""
    points, intervals = (page.locator(f'[data-part="{name}"] {kind}') for kind in ("circle", "line.interval"))
    expect(points).to_have_count(len(shares))
    expect(intervals).to_have_count(len(shares))
    at = [float((point.get_attribute("cx") or "").rstrip("%")) for point in points.all()]
    assert at == sorted(at)
    for (value, low, high), point, interval in zip(shares, points.all(), intervals.all(), strict=True):
        drawn = [point.get_attribute("cy"), interval.get_attribute("y1"), interval.get_attribute("y2")]
        assert drawn == [f"{100 * (1 - share):.2f}%" for share in (value, low, high)]
        words = (point.text_content() or "").replace("\u00a0", " ")
        assert all(f"{100 * share:.0f} %" in words for share in (value, low, high))


def test_win_rates_are_drawn_as_the_api_has_them(planted: Server, page: Page):
    open_overview(page, planted)
    strengths = page.request.get(f"{planted.url}/api/v1/overview").json()["strengths"]
    assert [one["version"] for one in strengths] == ["round-000001", "round-000002"]
    assert_drawn(page, "strengths", [(one["win_rate"], one["low"], one["high"]) for one in strengths])
    assert page.locator('[data-part="strengths-names"] span').all_text_contents() == ["1", "2"]
    expect(page.locator('[data-part="strengths-now"]')).to_have_text(f"{100 * strengths[1]['win_rate']:.0f} %")


def test_agreement_is_drawn_as_the_api_has_it(planted: Server, page: Page):
    open_overview(page, planted)
    quality = page.request.get(f"{planted.url}/api/v1/quality").json()
    assert len(quality["course"]) > 2
    assert_drawn(page, "agreement", [(one["agreement"], one["low"], one["high"]) for one in quality["course"]])
    expect(page.locator('[data-part="agreement-now"]')).to_have_text(f"{100 * quality['agreement']:.0f} %")


def test_a_new_home_has_an_overview_too(canned: Server, page: Page, camera: Camera):
    open_overview(page, canned)
    expect(page.locator('[data-part="tiles"]')).to_contain_text("There was none yet.")
    for name in ("agreement", "strengths"):
        expect(page.locator(f'[data-part="{name}-none"]')).to_be_visible()
        expect(page.locator(f'[data-part="{name}-drawn"]')).to_be_hidden()
    page.locator("[data-language]").click()
    expect(page.locator("h1")).to_have_text("概览")
    camera(page, "overview-zh")
