"""The training page in a real browser, over canned answers and a trainer that only fails."""

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

_BAD = 4  # so many that some are on prompts that train
_ENGLISH = """() => {
    const said = new Set(['prefloop', 'English', 'base']);
    const texts = [...document.querySelectorAll('.pl *:not(option)')].flatMap((node) => [...node.childNodes])
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


def test_an_admin_chooses_the_algorithm(fresh: Server, page: Page, camera: Camera):
    sign_in_by_link(page, fresh)
    page.wait_for_selector('.pl-board[data-state="pair"]')
    board = Board(page)
    for _ in range(_BAD):
        board.judge("0")
    page.click(".pl-top [data-admin]")

    algorithm, sentence, train = (page.locator(f'[data-part="{name}"]') for name in ("algorithm", "sentence", "train"))
    expect(algorithm).to_have_value("dpo")
    expect(algorithm.locator("option")).to_have_count(8)
    expect(sentence).to_contain_text("of two bad answers, which KTO would use")
    expect(train).to_be_disabled()
    algorithm.select_option("kto")
    expect(sentence).to_contain_text("Would train on")
    page.wait_for_timeout(2500)  # the page refreshes every second
    camera(page, "admin-algorithm")
    expect(algorithm).to_have_value("kto")
    train.click()
    page.wait_for_selector('.pl-rounds[data-round="failed"]')
    with closing(sqlite3.connect(f"file:{fresh.home / 'prefloop.db'}?mode=ro", uri=True)) as database:
        [(config,)] = database.execute("select config from round")
    assert json.loads(config)["training"]["algorithm"] == "kto"


def test_an_admin_changes_the_language(fresh: Server, page: Page, camera: Camera):
    sign_in_by_link(page, fresh)
    page.goto(f"{fresh.url}/admin/")
    title, train, language = (
        page.locator(f"[{name}]") for name in ('data-part="title"', 'data-part="train"', "data-language")
    )
    expect(title).to_have_text("Next round")
    expect(page.locator('[aria-current="page"]')).to_have_text("Training")
    for tag, words, button, page_title in (
        ("zh-Hans", "下一轮", "开始训练", "训练 · prefloop"),
        ("en", "Next round", "Train", "Training · prefloop"),
    ):
        language.click()
        expect(page.locator(f'html[lang="{tag}"]')).to_be_attached()
        expect(title).to_have_text(words)
        expect(train).to_have_text(button)
        expect(page).to_have_title(page_title)
        camera(page, f"admin-{tag}")


def test_the_browsers_language_is_the_first(fresh: Server, browser: Browser):
    context = browser.new_context(locale="zh-CN", viewport={"width": 390, "height": 844})
    page = context.new_page()
    sign_in_by_link(page, fresh)
    expect(page.locator('[data-pick="1"] [data-t]')).to_have_text("A 好得多")
    page.goto(f"{fresh.url}/admin/")
    expect(page.locator('[data-part="title"]')).to_have_text("下一轮")
    english = page.evaluate(_ENGLISH)
    assert english == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    context.close()
