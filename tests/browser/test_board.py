"""The annotation page in a real browser, over canned answers."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.board import HEARS, Board
from tests.browser.conftest import Camera, Opener, sign_in_by_link
from tests.browser.servers import Server

PRESS_AGAIN = """key => document.addEventListener('prefloop:shown', () => setTimeout(() => {
    const code = /\\d/.test(key) ? `Digit${key}` : `Key${key.toUpperCase()}`;
    document.dispatchEvent(new KeyboardEvent('keydown', { key, code, bubbles: true }));
    window.pressedAgain = true;
}, 200), { once: true })"""
"""Press a key as the second press of a double one comes: 160 to 250 ms after the next pair."""


def test_keys_and_buttons_judge_and_undo(canned: Server, signed_in: Opener):
    board = Board(signed_in(canned))
    before = board.done
    for key in "12345":
        board.judge(key)
        assert board.status == "Saved"
    board.judge("s")
    assert board.status == "Skipped"
    board.judge("0")
    token = board.token
    board.page.wait_for_timeout(200)
    board.page.click('[data-pick="4"]')
    board.page.wait_for_function("token => document.querySelector('.pl-board').dataset.token !== token", arg=token)
    done = board.done
    assert done > before
    board.press("u")
    expect(board.page.locator('[data-pick="4"].picked')).to_be_visible()
    assert board.status == "Undone. Choose again."
    assert board.done == done - 1


def test_hostile_text_is_only_text(canned: Server, signed_in: Opener, camera: Camera):
    board = Board(signed_in(canned))
    seen = ""
    for _ in range(30):
        seen += board.page.inner_text(".pl-board")
        if "window.hacked=1</script>" in board.page.inner_text(".pl-answers") and "onerror" in seen:
            break
        board.judge("3")
    camera(board.page, "hostile")
    assert "${window.hacked=1}" in seen
    assert "{{7*7}}" in seen
    assert board.page.evaluate("window.hacked") is None
    assert board.page.locator(".pl-text :is(a, img, script, form, iframe, [onerror], [style])").count() == 0


def test_keys_do_nothing_while_typing_or_with_a_modifier(canned: Server, signed_in: Opener):
    board = Board(signed_in(canned))
    token = board.token
    for keys in ("Control+1", "Alt+1", "Meta+1", "Control+u"):
        board.press(keys)
    board.page.evaluate("() => document.body.append(Object.assign(document.createElement('textarea'), {id: 'own'}))")
    board.page.focus("#own")
    board.press("1")
    board.page.evaluate("() => document.getElementById('own').remove()")
    assert board.token == token
    assert board.status == "Which answer is better?"


def test_a_double_click_is_one_judgment(canned: Server, signed_in: Opener):
    board = Board(signed_in(canned))
    board.judge("1")
    token, done = board.token, board.done
    board.page.wait_for_timeout(200)
    board.page.dblclick('[data-pick="2"]', delay=60)
    board.page.wait_for_function("token => document.querySelector('.pl-board').dataset.token !== token", arg=token)
    board.page.wait_for_timeout(300)
    assert board.done == done + 1


@pytest.mark.parametrize(("first", "again"), [("1", "1"), ("s", "s"), ("u", "u"), ("4", "0")])
def test_the_second_press_of_a_double_one_does_nothing_to_the_pair_it_meets(
    canned: Server, signed_in: Opener, first: str, again: str
):
    board = Board(signed_in(canned))
    for _ in range(2):
        board.judge("1")
    token, done = board.token, board.done
    board.page.evaluate(PRESS_AGAIN, again)
    board.judge(first)
    shown = board.token
    board.page.wait_for_function("() => window.pressedAgain")
    board.page.wait_for_function(HEARS)
    board.judge("3")  # which would have to wait for an answer to the second press
    assert board.token not in (token, shown)
    assert board.done == done + (0 if first == "u" else 2)


def test_choices_are_dim_and_deaf_until_a_pair_can_have_been_read(canned: Server, signed_in: Opener, camera: Camera):
    board = Board(signed_in(canned))
    page = board.page
    board.judge("1")
    token, status = board.token, page.locator('[data-part="status"]')
    page.wait_for_selector('.pl-board[data-deaf="now"]')
    assert page.locator('[data-pick][aria-disabled="true"]').count() == 7
    line = page.evaluate("getComputedStyle(document.querySelector('.pl-scale'), '::after').animationDuration")
    assert 0.4 <= float(line.removesuffix("s")) <= 1.8
    camera(page, "deaf")
    page.wait_for_function(HEARS)
    assert page.locator('[data-pick][aria-disabled="true"]').count() == 0
    assert board.token == token
    assert status.inner_text() != "Read both answers first; a moment more."
    board.judge("1")


def test_who_presses_before_a_pair_can_have_been_read_is_told_so(canned: Server, signed_in: Opener):
    board = Board(signed_in(canned))
    board.judge("1")
    token = board.token
    board.page.evaluate("() => setInterval(() => document.querySelector('[data-pick=\"1\"]').click(), 50)")
    expect(board.page.locator('[data-part="status"]')).to_have_text("Read both answers first; a moment more.")
    assert board.token == token


def test_a_choice_outlives_a_broken_line(canned: Server, signed_in: Opener):
    """The request fails twice, once after the server has done it: one judgment, and the next pair."""
    board = Board(signed_in(canned))
    board.judge("1")
    done, tries = board.done, []

    def break_line(route: Route) -> None:
        tries.append(1)
        if len(tries) == 2:
            route.fetch()
        if len(tries) <= 2:
            route.abort()
        else:
            route.continue_()

    board.page.route("**/component_server**", break_line)
    token = board.token
    board.press("1")
    expect(board.page.locator('[data-part="status"]')).to_contain_text("Your choice is kept")
    board.page.wait_for_function("token => document.querySelector('.pl-board').dataset.token !== token", arg=token)
    assert len(tries) == 3
    assert board.done == done + 1


def test_a_choice_outlives_the_session(canned: Server, signed_in: Opener):
    board = Board(signed_in(canned))
    board.judge("1")
    done = board.done
    board.page.context.clear_cookies()
    board.press("2")
    board.page.wait_for_url("**/sign-in/**")
    expect(board.page.get_by_role("alert")).to_contain_text("Your session has ended")
    signed_in(canned)
    assert board.done == done + 1
    assert board.status == "Saved"


def test_a_pair_is_written_while_one_watches(canned_live: Server, page: Page, camera: Camera):
    sign_in_by_link(page, canned_live)
    page.wait_for_selector('.pl-board[data-state="live"] .pl-card p')
    assert page.locator('[data-pick="1"][aria-disabled="true"]').count() == 1
    camera(page, "live")
    board = Board(page)
    board.page.keyboard.press("1")
    page.wait_for_selector('.pl-board[data-state="pair"]')
    assert board.done == 0
    board.judge("1")
    assert board.done == 1


def test_guidelines_and_colours(canned: Server, signed_in: Opener, camera: Camera):
    page = signed_in(canned)
    camera(page, "light")
    page.keyboard.press("g")
    expect(page.get_by_role("heading", name="What counts, in this order")).to_be_visible()
    page.wait_for_timeout(300)
    camera(page, "guidelines")
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="What counts, in this order")).not_to_be_visible()
    assert page.evaluate("document.documentElement.dataset.mode") == "light"
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("html[data-mode=dark]")
    page.wait_for_timeout(300)
    camera(page, "dark")
    page.keyboard.press("m")
    page.click('[data-do="mode"]')
    page.reload()
    page.wait_for_selector('.pl-board[data-state="pair"]')
    assert page.evaluate("[document.documentElement.dataset.mode, document.body.classList.contains('dark')]") == [
        "light",
        False,
    ]


def test_a_phone_shows_all_with_big_targets(canned: Server, signed_in: Opener, camera: Camera):
    page = signed_in(canned)
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(300)
    camera(page, "phone")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    a, b = (page.locator(f'.pl-card[data-side="{side}"]').bounding_box() for side in "ab")
    assert a is not None
    assert b is not None
    assert a["y"] + a["height"] <= b["y"]
    for button in page.locator(".pl-bar button:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["y"] + box["height"] <= 844
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(300)
    camera(page, "phone-dark")


def test_annotators_are_not_led_to_the_admins_pages(canned: Server, signed_in: Opener):
    page = signed_in(canned)
    assert page.locator("[data-admin]:visible").count() == 0
    answer = page.goto(f"{canned.url}/admin/")
    assert answer is not None
    assert answer.status == 403
