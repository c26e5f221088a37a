"""The quality page in a real browser, over a store that annotators with known habits have filled."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Camera, sign_in
from tests.browser.looks import in_all_looks
from tests.browser.servers import Server, running

SHOWN = '.admin[data-state="shown"]'
CAREFUL = ("careful-ann", "careful-ben")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("planted")
    with running(["tests.browser.planted_server", str(home)], home) as server:
        yield server


@pytest.fixture
def quality(planted: Server, page: Page) -> Page:
    """The page, open for an admin."""
    sign_in(page, planted, "boss")
    page.goto(f"{planted.url}/admin/quality/")
    page.wait_for_selector(SHOWN)
    return page


def card(page: Page, login: str) -> Locator:
    return page.locator(f'.quality-card[data-login="{login}"]')


def page_of_rounds(page: Page, server: Server) -> Locator:
    """What the page on rounds says a round would use, in another tab."""
    tab = page.context.new_page()
    tab.goto(f"{server.url}/admin/rounds/")
    return tab.locator(".records-next")


def test_planted_annotators_are_told_apart(quality: Page, camera: Camera):
    for login in CAREFUL:
        expect(card(quality, login)).to_contain_text("Nothing stands out")
    for login, words in {
        "coin-cora": "Agreement with others is at chance level",
        "left-leo": "Picks the left side 100 % of the time",
        "mirror-mia": "Usually prefers the answer others reject",
    }.items():
        expect(card(quality, login)).to_contain_text(words)
    cards = quality.locator(".quality-card").evaluate_all("cards => cards.map((card) => card.dataset.login)")
    assert set(cards[:3]) == {"coin-cora", "left-leo", "mirror-mia"}  # what wants a look comes first
    in_all_looks(quality, camera, "quality")


def test_all_numbers_are_a_click_away_and_read_out(quality: Page, camera: Camera):
    leo = card(quality, "left-leo")
    leo.locator("summary").click()
    expect(leo).to_contain_text("Sides are drawn by lot")
    row = leo.locator("tr", has_text="Left side wins").locator("td")
    assert row.all_inner_texts()[0] == "100 %"
    left = leo.locator(".measure", has_text="Left side wins").locator("svg")
    assert re.fullmatch(
        r"Left side wins: 100 %, with 95 % certainty \d+ % to 100 %, from \d+", left.get_attribute("aria-label") or ""
    )
    camera(quality, "quality-numbers")


def test_quarantine_and_its_end_by_click(planted: Server, quality: Page, camera: Camera):
    card(quality, "mirror-mia").get_by_role("button", name="Quarantine").click()
    dialog = quality.get_by_role("dialog")
    dialog.get_by_role("button", name="Quarantine").click()
    expect(dialog).to_be_visible()  # a reason is asked for
    camera(quality, "quality-quarantine")
    dialog.locator("textarea").fill("Has it the wrong way round.")
    dialog.get_by_role("button", name="Quarantine").click()
    expect(quality.locator('[data-part="said"]')).to_contain_text("is in quarantine. These rounds had used")
    held = card(quality, "mirror-mia")
    expect(held).to_contain_text("Has it the wrong way round.")
    expect(held).to_have_attribute("data-state", "quarantine")
    of_a_round = page_of_rounds(quality, planted)
    expect(of_a_round).to_contain_text("of annotators in quarantine")

    held.get_by_role("button", name="Lift the quarantine").click()
    expect(quality.locator('[data-part="said"]')).to_contain_text("count again")
    expect(card(quality, "mirror-mia")).to_have_attribute("data-state", "findings")
    of_a_round = page_of_rounds(quality, planted)
    expect(of_a_round).to_contain_text("Training pairs")
    expect(of_a_round).not_to_contain_text("of annotators in quarantine")


def test_known_pairs_are_made_written_and_retired(quality: Page, camera: Camera):
    quality.get_by_role("tab", name="Gold pairs").click()
    known = quality.locator('[data-part="gold"] > li')
    before = known.count()
    candidates = quality.locator('[data-part="candidates"] > li')
    could_be = candidates.count()
    camera(quality, "quality-known")
    candidates.first.get_by_role("button", name="Make it gold").click()
    expect(known).to_have_count(before + 1)
    expect(candidates).to_have_count(could_be - 1)

    quality.get_by_text("Add a gold pair").click()
    form = quality.locator('[data-part="write"]')
    for name, words in {"prompt": "What is 2 + 2?", "good": "4", "bad": "4"}.items():
        form.locator(f"[name={name}]").fill(words)
    form.get_by_role("button", name="Add it").click()
    expect(form.get_by_role("alert")).to_contain_text("The two answers say the same.")
    form.locator("[name=bad]").fill("5")
    form.get_by_role("button", name="Add it").click()
    expect(known).to_have_count(before + 2)
    written = known.filter(has_text="What is 2 + 2?")
    expect(written).to_contain_text("nobody asked yet")

    written.get_by_role("button", name="Retire").click()
    quality.get_by_role("dialog").get_by_role("button", name="Retire").click()
    expect(written).to_contain_text("retired")


def test_a_flagged_prompt_is_retired(quality: Page, camera: Camera):
    quality.get_by_role("tab", name="Flags").click()
    flagged = quality.locator('[data-part="flags"] > li')
    expect(flagged).to_contain_text("Whoever wrote this gave a name.")
    camera(quality, "quality-flags")
    flagged.get_by_role("button", name="Retire the prompt").click()
    quality.get_by_role("dialog").get_by_role("button", name="Retire the prompt").click()
    expect(flagged).to_contain_text("the prompt is retired")


def test_the_tabs_go_by_arrow_keys(quality: Page):
    quality.get_by_role("tab", name="Annotators").focus()
    quality.keyboard.press("ArrowRight")
    expect(quality.get_by_role("tab", name="Gold pairs")).to_be_focused()
    expect(quality.locator("#panel-gold")).to_be_visible()
    expect(quality.locator("#panel-people")).to_be_hidden()


def test_the_page_speaks_chinese(quality: Page, camera: Camera):
    quality.locator("[data-language]").click()
    expect(quality.locator("h1")).to_have_text("质量")
    expect(card(quality, "left-leo")).to_contain_text("有 100% 选择左侧")
    camera(quality, "quality-zh")


def test_an_annotator_is_shown_out(planted: Server, page: Page):
    sign_in(page, planted, "ann")
    for name in ("versions", "prompts", "quality", "people", "guidelines"):
        answer = page.goto(f"{planted.url}/admin/{name}/")
        assert answer is not None
        assert answer.status == 403
        expect(page.locator("h1")).not_to_contain_text("Quality")


def test_where_nobody_has_judged_it_says_so(canned: Server, page: Page, camera: Camera):
    sign_in(page, canned, "boss")
    page.goto(f"{canned.url}/admin/quality/")
    page.wait_for_selector(SHOWN)
    page.select_option('[data-part="days"]', "7")
    page.wait_for_timeout(300)
    camera(page, "quality-empty")
    expect(page.locator('[data-part="empty"]')).to_be_visible()
