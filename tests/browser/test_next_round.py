"""Starting a round from the page on rounds, in a real browser, over canned answers and a trainer that only fails."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.board import Board
from tests.browser.conftest import Camera, sign_in_by_link
from tests.browser.servers import Server, running

_REFRESH_MS = 25_000  # of the page's clock, which a test puts forward
_BAD = 4  # so many that some are on prompts that train
_ENGLISH = """() => {
    const said = new Set(['prefloop', 'English', 'base']);
    const texts = [...document.querySelectorAll('.pl *:not(option, code)')].flatMap((node) => [...node.childNodes])
        .filter((node) => node.nodeType === Node.TEXT_NODE && node.parentElement.checkVisibility())
        .map((node) => node.textContent.trim());
    const read = [...document.querySelectorAll('.pl [aria-label]')].map((node) => node.getAttribute('aria-label'));
    const english = (words) => /[a-z]{2}/i.test(words) && !/\\p{Script=Han}/u.test(words) && !said.has(words);
    return [...texts, ...read].filter(english);
}"""


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    """A canned server that nobody has judged at."""
    with running(["tests.browser.canned_server", str(tmp_path)], tmp_path) as server:
        yield server


def open_rounds(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/admin/rounds/")
    page.wait_for_selector('.admin[data-state="shown"]')


def test_an_admin_chooses_the_algorithm(fresh: Server, page: Page, camera: Camera):
    sign_in_by_link(page, fresh)
    page.wait_for_selector('.pl-board[data-state="pair"]')
    board = Board(page)
    for _ in range(_BAD):
        board.judge("0")
    page.clock.install()
    page.click(".pl-top [data-admin]")
    page.wait_for_url("**/admin/overview/")
    page.get_by_role("link", name="Rounds", exact=True).click()

    algorithm, left_out, facts = (
        page.locator(f'[data-part="{name}"]') for name in ("algorithm", "next-excluded", "next-facts")
    )
    start = page.get_by_role("button", name="Start a round")
    expect(page.locator('[data-part="serving"]')).to_contain_text("base serving since")
    expect(algorithm).to_have_value("dpo")
    expect(algorithm.locator("option")).to_have_count(8)
    expect(left_out).to_contain_text("of two bad answers, which KTO would use")
    expect(page.locator('[data-part="next-waits"]')).to_contain_text("Nothing to train on yet")
    expect(start).to_be_disabled()
    algorithm.select_option("kto")
    expect(facts).to_contain_text("Pairs of two bad answers")
    expect(start).to_be_enabled()
    with page.expect_response("**/rounds/preview"):
        page.clock.run_for(_REFRESH_MS)
    camera(page, "rounds-algorithm")
    expect(algorithm).to_have_value("kto")
    expect(start).to_be_enabled()
    start.click()
    expect(page.locator('[data-part="title"]')).to_have_text("Round 1")
    page.clock.run_for(_REFRESH_MS)
    expect(page.locator('[data-part="state"]')).to_have_text("failed")
    with closing(sqlite3.connect(f"file:{fresh.home / 'prefloop.db'}?mode=ro", uri=True)) as database:
        [(config,)] = database.execute("select config from round")
    assert json.loads(config)["training"]["algorithm"] == "kto"


def test_a_round_that_began_elsewhere_appears(fresh: Server, page: Page):
    """The first round of a home, which is shown though nobody chose it."""
    sign_in_by_link(page, fresh)
    page.wait_for_selector('.pl-board[data-state="pair"]')
    board = Board(page)
    for _ in range(_BAD):
        board.judge("1")
    page.clock.install()
    open_rounds(page, fresh)
    expect(page.locator('[data-part="none"]')).to_be_visible()
    started = page.request.post(f"{fresh.url}/api/v1/rounds", headers={"origin": fresh.url})
    assert started.status == 201
    page.clock.run_for(_REFRESH_MS)
    expect(page.locator('[data-part="title"]')).to_have_text("Round 1")


def test_an_admin_changes_the_language(fresh: Server, page: Page, camera: Camera):
    sign_in_by_link(page, fresh)
    open_rounds(page, fresh)
    title, start, language = (
        page.locator(f"[{name}]") for name in ('id="next-title"', 'data-do="start"', "data-language")
    )
    expect(title).to_have_text("Next round")
    expect(page.locator('[aria-current="page"]')).to_have_text("Rounds")
    for tag, words, button, page_title in (
        ("zh-Hans", "下一轮", "开始一轮", "轮次 · prefloop"),
        ("en", "Next round", "Start a round", "Rounds · prefloop"),
    ):
        language.click()
        expect(page.locator(f'html[lang="{tag}"]')).to_be_attached()
        expect(title).to_have_text(words)
        expect(start).to_have_text(button)
        expect(page).to_have_title(page_title)
        camera(page, f"rounds-new-{tag}")


def test_the_browsers_language_is_the_first(fresh: Server, browser: Browser):
    context = browser.new_context(locale="zh-CN", viewport={"width": 390, "height": 844})
    page = context.new_page()
    sign_in_by_link(page, fresh)
    expect(page.locator('[data-pick="1"] [data-t]')).to_have_text("A 好得多")
    open_rounds(page, fresh)
    expect(page.locator("#next-title")).to_have_text("下一轮")
    english = page.evaluate(_ENGLISH)
    assert english == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    context.close()
