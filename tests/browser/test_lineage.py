"""The page on lineage in a real browser: from a person to an answer and back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Camera, sign_in
from tests.browser.looks import in_all_looks
from tests.browser.servers import running

SHOWN = '.admin[data-state="shown"]'


@pytest.fixture
def lineage(tmp_path: Path, page: Page) -> Iterator[Page]:
    """The page, open for an admin."""
    with running(["tests.browser.lineage_server", str(tmp_path)], tmp_path) as server:
        sign_in(page, server, "boss")
        page.goto(f"{server.url}/admin/lineage/")
        page.wait_for_selector(SHOWN)
        yield page


def look_up(page: Page, query: str) -> None:
    page.locator("#lineage-query").fill(query)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.wait_for_selector(SHOWN)


def test_a_version_leads_to_people_a_person_to_what_served_and_a_judgment_to_an_answer(lineage: Page, camera: Camera):
    look_up(lineage, "round-000004")
    cards = lineage.locator(".lineage-chain > li")
    expect(cards).to_have_count(4)
    expect(cards.nth(0)).to_contain_text("Round 2")
    expect(cards.nth(3)).to_contain_text("the base model")
    expect(cards.nth(0).locator(".lineage-people li")).to_have_count(5)
    in_all_looks(lineage, camera, "lineage-version")

    cards.nth(0).get_by_text("All its judgments").click()
    rows = cards.nth(0).locator("tbody tr")
    expect(rows.first).to_be_visible()
    before = rows.count()
    cards.nth(0).get_by_role("button", name="Show more").click()
    expect(rows.nth(before)).to_be_visible()
    rows.first.get_by_role("link", name="answer").first.click()
    lineage.wait_for_selector(SHOWN)
    expect(lineage.locator('[data-part="answer-made"]')).to_contain_text("base")
    expect(lineage.locator(".lineage-turns p")).to_have_count(2)

    lineage.go_back()
    lineage.wait_for_selector(SHOWN)
    lineage.locator(".lineage-people a").first.click()
    lineage.wait_for_selector(SHOWN)
    expect(lineage.locator('[data-part="rounds"] li')).to_have_count(2)
    expect(lineage.locator('[data-part="bars"] > div')).to_have_count(1)
    in_all_looks(lineage, camera, "lineage-person")


def test_answers_are_found_by_their_words_and_nothing_is_said_to_be_nothing(lineage: Page, camera: Camera):
    look_up(lineage, "round-000002 3")
    expect(lineage.locator('[data-part="answers"] li').first).to_contain_text("round-000002")
    camera(lineage, "lineage-found")
    look_up(lineage, "nobody wrote this")
    expect(lineage.locator('[data-part="said"]')).to_contain_text("No answer holds these words")
    look_up(lineage, "999999")
    expect(lineage.locator('[data-part="said"]')).to_contain_text("There is no answer 999999.")
