"""The training page in a real browser, over canned answers and a trainer that only fails."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.board import Board
from tests.browser.conftest import Camera
from tests.browser.servers import Server, running

_BAD = 4  # so many that some are on prompts that train


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    """A canned server that nobody has judged at."""
    with running(["-m", "tests.browser.canned_server", str(tmp_path)], tmp_path) as server:
        yield server


def test_an_admin_chooses_the_algorithm(fresh: Server, page: Page, camera: Camera):
    page.goto(fresh.link)
    page.wait_for_selector('.pl-board[data-state="pair"]')
    board = Board(page)
    for _ in range(_BAD):
        board.judge("0")
    page.click('[data-part="admin"]')

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
