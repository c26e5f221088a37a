"""Reasoning before an answer in a real browser: folded, unfolded by hand or from the start, while it is written."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.board import Board
from tests.browser.conftest import PASSWORD, Camera, Opener
from tests.browser.looks import in_all_looks
from tests.browser.servers import Server, running

SERVER = "tests.browser.thinking_server"


@pytest.fixture(scope="session")
def thinking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("thinking")
    with running([SERVER, str(home)], home) as server:
        yield server


@pytest.fixture
def thinking_open(tmp_path: Path) -> Iterator[Server]:
    with running([SERVER, str(tmp_path), "open"], tmp_path) as server:
        yield server


@pytest.fixture
def thinking_live(tmp_path: Path) -> Iterator[Server]:
    with running([SERVER, str(tmp_path), "live"], tmp_path) as server:
        yield server


def boxes(page: Page) -> Locator:
    """The reasoning of those sides that have any."""
    return page.locator(".pl-reasoning:not([hidden])")


def until(board: Board, words: str) -> None:
    """Skip to a pair that has an answer with these words, reasoning included."""
    for _ in range(40):
        if board.page.locator(f'.pl-card:has-text("{words}")').count():
            return
        board.judge("s")
    raise AssertionError(f"no pair with {words!r} came")


def test_it_is_folded_away_with_the_number_of_its_tokens(thinking: Server, signed_in: Opener, camera: Camera) -> None:
    board = Board(signed_in(thinking))
    until(board, "large egg takes")
    card = board.page.locator('.pl-card:has-text("large egg takes")')
    expect(card.locator("summary")).to_have_text(re.compile(r"^Reasoning, \d\d tokens$"))
    expect(card.locator(".pl-reasoning .pl-text")).to_be_hidden()
    expect(card.locator("> .pl-text")).to_contain_text("A large egg takes seven minutes")
    in_all_looks(board.page, camera, "reasoning-folded")


def test_the_keyboard_unfolds_it_without_submitting(thinking: Server, signed_in: Opener, camera: Camera) -> None:
    board = Board(signed_in(thinking))
    until(board, "large egg takes")
    page, token = board.page, board.token
    board.press("r")
    page.keyboard.press("2")  # chosen, and not sent yet
    summary = page.locator('.pl-card:has-text("large egg takes") summary')
    summary.focus()
    for key in ("Enter", "Space", "Enter"):
        page.keyboard.press(key)
    opened = page.locator('.pl-card:has-text("large egg takes") .pl-reasoning .pl-text')
    expect(opened).to_be_visible()
    expect(opened.locator("em")).to_have_text("size")
    assert board.token == token
    in_all_looks(page, camera, "reasoning-unfolded")
    page.keyboard.press("Tab")
    expect(opened).to_be_focused()


def test_the_next_pair_is_folded_again(thinking: Server, signed_in: Opener) -> None:
    board = Board(signed_in(thinking))
    until(board, "large egg takes")
    board.page.locator('.pl-card:has-text("large egg takes") summary').click()
    board.judge("s")
    until(board, "large egg takes")
    expect(boxes(board.page).first).not_to_have_attribute("open", "")


def test_what_is_hostile_in_it_is_text(thinking: Server, signed_in: Opener) -> None:
    board = Board(signed_in(thinking))
    until(board, "rather talk about eggs")
    board.page.locator('.pl-card:has-text("rather talk") summary').click()
    body = board.page.locator('.pl-card:has-text("rather talk") .pl-reasoning .pl-text')
    expect(body).to_contain_text("<script>window.hacked=1</script>")
    assert body.locator("script, img, a").count() == 0
    assert board.page.evaluate("window.hacked") is None


def test_plain_text_is_plain_there_too(thinking: Server, signed_in: Opener) -> None:
    board = Board(signed_in(thinking))
    until(board, "large egg takes")
    board.page.click('[data-do="plain"]')
    board.page.locator('.pl-card:has-text("large egg takes") summary').click()
    body = board.page.locator('.pl-card:has-text("large egg takes") .pl-reasoning .pl-text')
    expect(body).to_contain_text("the *size* first")
    board.page.click('[data-do="plain"]')
    expect(body.locator("em")).to_have_text("size")


def test_one_that_was_cut_off_while_it_thought_says_so(thinking: Server, signed_in: Opener, camera: Camera) -> None:
    board = Board(signed_in(thinking))
    until(board, "while thinking")
    card = board.page.locator('.pl-card:has-text("while thinking")')
    expect(card).to_contain_text("Cut off while thinking after 2 tokens")
    expect(card).not_to_contain_text("This answer is empty")
    camera(board.page, "reasoning-cut-off")


def test_an_admin_may_have_it_open_from_the_start(thinking_open: Server, signed_in: Opener, camera: Camera) -> None:
    board = Board(signed_in(thinking_open))
    until(board, "large egg takes")
    body = board.page.locator('.pl-card:has-text("large egg takes") .pl-reasoning .pl-text')
    expect(body).to_be_visible()
    in_all_looks(board.page, camera, "reasoning-open")


def test_it_is_told_apart_while_it_is_written(thinking_live: Server, page: Page) -> None:
    page.goto(f"{thinking_live.url}/sign-in/")
    page.add_init_script(f"({WATCH})()")
    page.fill("[name=login]", "ann")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.seen?.some((one) => one.state === 'live' && one.summary)")
    page.wait_for_selector('.pl-board[data-state="pair"]')
    answers = page.evaluate("() => window.seen.map((one) => one.answer)")
    assert not any("think>" in answer or "Let me" in answer for answer in answers)


WATCH = """() => {
    window.seen = [];
    document.addEventListener('prefloop:shown', ({ detail }) => {
        for (const card of document.querySelectorAll('.pl-card')) {
            const box = card.querySelector('.pl-reasoning:not([hidden])');
            window.seen.push({ state: detail.state, summary: box?.querySelector('summary').textContent ?? '',
                answer: card.querySelector(':scope > .pl-text').textContent });
        }
    });
}"""


def test_it_is_chinese_where_the_page_is(thinking: Server, signed_in: Opener, camera: Camera) -> None:
    board = Board(signed_in(thinking))
    board.page.evaluate("localStorage.setItem('prefloop-language', 'zh')")
    board.page.reload()
    board.page.wait_for_selector('.pl-board[data-state="pair"]')
    until(board, "large egg takes")
    expect(board.page.locator('.pl-card:has-text("large egg takes") summary')).to_have_text(
        re.compile(r"^推理过程，\d\d 个词元$")
    )
    camera(board.page, "reasoning-zh")
