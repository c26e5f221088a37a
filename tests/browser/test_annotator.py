"""What an annotator can do besides picking a side, in a real browser, over canned answers."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.board import Board
from tests.browser.conftest import Camera, Opener
from tests.browser.servers import Server

PAUSE_MS = 600_000
READY = '.pl-board[data-state="pair"]'
SENT = """() => {
    window.sent = [];
    const fetched = window.fetch;
    window.fetch = (url, options) => {
        if (String(url).includes('component_server')) window.sent.push(JSON.parse(options.body).data);
        return fetched(url, options);
    };
}"""


def sent(page: Page, do: str) -> dict[str, Any]:
    """The last act of a kind that the board sent since SENT ran."""
    acts: list[dict[str, Any]] = page.evaluate("() => window.sent")
    return [act for act in acts if act.get("do") == do][-1]


def pressed(page: Page) -> set[str]:
    """The chips that are pressed."""
    return {chip.inner_text() for chip in page.locator('.pl-chip[aria-pressed="true"]').all()}


def test_remarks_are_drafted_kept_over_a_reload_and_sent_with_the_choice(
    canned: Server, signed_in: Opener, camera: Camera
) -> None:
    board = Board(signed_in(canned))
    page = board.page
    board.press("r")
    token = board.token
    for key in ("Shift+Digit1", "Shift+KeyW", "2"):
        page.keyboard.press(key)
    page.fill('[data-part="comment"]', "because")
    page.click('[data-flag="unsafe"]')
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    page.fill('[data-part="edit"]', "as it should be")
    camera(page, "remarks")
    page.reload()
    page.wait_for_selector(READY)
    assert board.token == token
    assert pressed(page) == {"More helpful", "Correct", "Unsafe"}
    assert page.input_value('[data-part="comment"]') == "because"
    assert page.input_value('[data-part="edit"]') == "as it should be"
    page.evaluate(SENT)
    page.focus('[data-part="edit"]')
    board.judge("Control+Enter")
    act = sent(page, "judge")
    assert (act["pick"], act["reasons_a"], act["reasons_b"]) == ("2", ["More helpful"], ["Correct"])
    assert (act["comment"], act["flag"], act["edit"]) == ("because", "unsafe", "as it should be")
    assert pressed(page) == set()
    board.press("u")
    expect(page.locator('[data-pick="2"].picked')).to_be_visible()
    assert page.input_value('[data-part="edit"]') == "as it should be"


def test_an_edit_needs_a_better_answer_and_one_that_changes_nothing_is_none(canned: Server, signed_in: Opener) -> None:
    board = Board(signed_in(canned))
    board.press("e")
    expect(board.page.locator('[data-part="status"]')).to_contain_text("Choose the better answer first")
    board.page.keyboard.press("4")
    board.page.keyboard.press("e")
    expect(board.page.locator('[data-part="edit"]')).to_be_focused()
    board.page.evaluate(SENT)
    board.judge("Control+Enter")
    assert sent(board.page, "judge")["edit"] is None


def test_keys_of_an_input_method_do_not_submit(canned: Server, signed_in: Opener) -> None:
    board = Board(signed_in(canned))
    board.press("r")
    board.page.keyboard.press("1")
    token = board.token
    composing = (
        "event => document.querySelector('[data-part=comment]').dispatchEvent(new KeyboardEvent('keydown', event))"
    )
    for extra in ({"isComposing": True}, {"keyCode": 229}):
        board.page.evaluate(composing, {"key": "Enter", "ctrlKey": True, "bubbles": True, **extra})
    board.page.wait_for_timeout(400)
    assert board.token == token


def test_an_earlier_judgment_is_changed_from_the_history(canned: Server, signed_in: Opener, camera: Camera) -> None:
    board = Board(signed_in(canned))
    page = board.page
    board.judge("1")
    done = board.done
    board.press("h")
    newest = page.locator(".pl-history button").first
    expect(newest).to_contain_text("A much better")
    camera(page, "history")
    newest.click()
    expect(page.locator('[data-pick="1"].picked')).to_be_visible()
    board.judge("5")
    assert board.done == done
    board.press("h")
    expect(page.locator(".pl-history button").first).to_contain_text("B much better")


def test_a_prompt_of_ones_own_is_answered_and_the_conversation_goes_on(
    canned: Server, signed_in: Opener, camera: Camera
) -> None:
    board = Board(signed_in(canned))
    page = board.page
    board.press("p")
    page.keyboard.press("Control+Enter")
    expect(page.locator('[data-part="composer-note"]')).to_contain_text("Write something first")
    page.keyboard.type("How do I whistle?")
    camera(page, "own-prompt")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".pl-turn")).to_have_text(["How do I whistle?"])
    page.wait_for_selector(READY)
    board.judge("1")
    expect(page.locator('[data-part="continue"]')).to_be_visible()
    board.press("c")
    page.keyboard.type("And then?")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".pl-turn").last).to_have_text("And then?")
    page.wait_for_selector(READY)
    assert page.locator(".pl-turn").count() == 3
    camera(page, "conversation")


@pytest.mark.parametrize(
    ("habit", "keys", "pick"),
    [
        ("argilla", ("2", "Enter"), "4"),
        ("argilla", ("Backspace", "Enter"), "s"),
        ("labelstudio", ("5", "Control+Enter"), "5"),
        ("labelstudio", ("Control+Space", "Control+Enter"), "s"),
    ],
)
def test_keys_can_be_those_of_other_tools(
    canned: Server, signed_in: Opener, habit: str, keys: tuple[str, str], pick: str
) -> None:
    board = Board(signed_in(canned))
    page = board.page
    board.press("m")
    page.select_option('[data-part="keymap"]', habit)
    page.keyboard.press("Escape")
    expect(page.locator('[data-pick="0"] kbd')).to_have_text("0")
    page.evaluate(SENT)
    token = board.token
    board.press(keys[0])
    page.wait_for_timeout(300)
    assert board.token == token
    board.judge(keys[1])
    assert sent(page, "judge")["pick"] == pick


def test_the_keys_are_listed_as_they_are(canned: Server, signed_in: Opener, camera: Camera) -> None:
    page = signed_in(canned)
    page.keyboard.press("?")
    for key, words in (("G", "Guidelines"), ("Ctrl+Enter", "Submit"), ("Shift+1…9", "Reasons for A")):
        term = page.locator("dt", has=page.locator(f"kbd:text-is('{key}')"))
        expect(term.locator("+ dd")).to_have_text(words)
    camera(page, "keys")
    assert page.locator("dd:text-is('undefined')").count() == 0


def test_answers_are_shown_plain_and_with_their_differences(canned: Server, signed_in: Opener, camera: Camera) -> None:
    board = Board(signed_in(canned))
    page = board.page
    board.press("t")
    assert page.locator('.pl-card [data-part="a"] > *').count() == 0
    page.keyboard.press("d")
    page.wait_for_selector(".pl-card .pl-only")
    camera(page, "differences")
    page.keyboard.press("d")
    page.wait_for_selector('.pl-card [data-part="a"] p')


def test_an_empty_answer_is_told_and_judged(canned_silent: Server, signed_in: Opener, camera: Camera) -> None:
    board = Board(signed_in(canned_silent))
    page = board.page

    def told() -> set[str]:
        return {page.locator(f'.pl-card [data-part="{side}"]').inner_text().strip() for side in "ab"}

    assert told() == {"Well.", "This answer is empty."}
    camera(page, "empty-answer")
    board.press("t")
    assert told() == {"Well.", "This answer is empty."}
    page.keyboard.press("d")
    page.wait_for_selector(".pl-card .pl-only")
    assert "This answer is empty." in told()
    board.judge("1")
    assert board.status == "Saved"
    assert "This answer is empty." in told()


def test_an_answer_that_was_cut_off_says_after_how_many_tokens(canned_silent: Server, signed_in: Opener) -> None:
    board = Board(signed_in(canned_silent))
    page = board.page
    side = "a" if "Well." in page.locator('.pl-card [data-part="a"]').inner_text() else "b"
    other = "b" if side == "a" else "a"
    for _ in range(2):
        assert page.locator(f'[data-part="cut-{side}"]').inner_text() == "Cut off after 3 tokens"
        assert page.locator(f'[data-part="cut-{other}"]').is_hidden()
        board.press("t")


def test_long_answers_scroll_together_unless_one_does_not_want_that(canned: Server, signed_in: Opener) -> None:
    page = signed_in(canned)
    page.evaluate("""() => { for (const side of ['a', 'b'])
        document.querySelector(`[data-part=${side}]`).innerHTML = '<p>line</p>'.repeat(side === 'a' ? 80 : 160); }""")
    page.wait_for_timeout(50)
    scroll = "side => { const box = document.querySelector('[data-part=a]'); box.scrollTop = side; }"
    share = """side => { const box = document.querySelector(`[data-part=${side}]`);
        return box.scrollTop / (box.scrollHeight - box.clientHeight); }"""
    page.evaluate(scroll, 400)
    page.wait_for_timeout(200)
    assert page.evaluate(share, "b") == pytest.approx(page.evaluate(share, "a"), abs=0.01)
    assert page.evaluate(share, "b") > 0
    page.keyboard.press("l")
    before = page.evaluate(share, "b")
    page.evaluate(scroll, 900)
    page.wait_for_timeout(200)
    assert page.evaluate(share, "b") == before


def test_time_stands_still_while_paused(canned: Server, page: Page, signed_in: Opener, camera: Camera) -> None:
    page.clock.install()
    board = Board(signed_in(canned))
    board.press("z")
    expect(page.get_by_role("heading", name="Paused")).to_be_visible()
    camera(page, "paused")
    token = board.token
    page.clock.fast_forward(PAUSE_MS)
    page.keyboard.press("1")
    assert board.token == token
    page.keyboard.press("z")
    expect(page.get_by_role("heading", name="Paused")).not_to_be_visible()
    assert board.token == token
    page.evaluate(SENT)
    board.judge("1")
    assert 0 < sent(page, "judge")["ms"] < PAUSE_MS


def test_an_idle_minute_does_not_count(canned: Server, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1366, "height": 820})
    page = context.new_page()
    page.clock.install()
    page.goto(f"{canned.url}/annotate/")
    page.fill("[name=login]", "ann")
    page.fill("[name=password]", "correct horse")
    page.keyboard.press("Enter")
    page.clock.run_for(2_000)
    page.wait_for_selector(READY)
    page.evaluate(SENT)
    page.clock.run_for(600_000)
    page.keyboard.press("1")
    page.clock.run_for(2_000)
    page.wait_for_function("() => window.sent.some((act) => act.do === 'judge')")
    assert 60_000 <= sent(page, "judge")["ms"] <= 64_000
    context.close()


def test_a_goal_of_ones_own_is_counted_to(canned: Server, signed_in: Opener) -> None:
    board = Board(signed_in(canned))
    page = board.page
    board.press("m")
    page.fill('[data-part="goal"]', "2")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    assert page.inner_text('[data-part="count"]') == "0 / 2"
    board.judge("1")
    assert board.status == "Saved"
    board.judge("1")
    assert "Goal reached" in board.status
    assert page.inner_text('[data-part="count"]') == "2 / 2"


def test_the_page_speaks_chinese_by_the_browser_s_language_and_by_choice(
    canned: Server, browser: Browser, camera: Camera
) -> None:
    context = browser.new_context(viewport={"width": 1366, "height": 820}, locale="zh-CN")
    page = context.new_page()
    page.goto(f"{canned.url}/annotate/")
    page.fill("[name=login]", "ann")
    page.fill("[name=password]", "correct horse")
    camera(page, "zh-sign-in")
    page.keyboard.press("Enter")
    page.wait_for_selector(READY)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"
    chinese = page.inner_text(".pl-bar") + page.inner_text(".pl-top")
    assert not {"better", "Skip", "Guidelines"} & set(chinese.split())
    camera(page, "zh")
    page.keyboard.press("r")
    page.wait_for_timeout(200)
    camera(page, "zh-remarks")
    page.keyboard.press("g")
    expect(page.get_by_role("heading", name="按以下顺序衡量")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    page.select_option('[data-part="language"]', "en")
    page.wait_for_selector(READY)
    expect(page.locator('[data-pick="3"]')).to_contain_text("Tie")
    context.close()


def test_every_control_has_a_name_and_shows_its_focus(canned: Server, signed_in: Opener) -> None:
    page = signed_in(canned)
    page.keyboard.press("r")
    nameless = page.evaluate("""() => [...document.querySelectorAll('.pl :is(button, a, textarea, select, input)')]
        .filter((node) => !(node.innerText.trim() || node.ariaLabel || node.labels?.length || node.textContent.trim()))
        .map((node) => node.outerHTML)""")
    assert nameless == []
    for _ in range(12):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
