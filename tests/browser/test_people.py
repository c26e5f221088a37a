"""The pages on people and guidelines in a real browser: an admin hires, lets go, and says what to judge by."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PASSWORD, Camera, Visitors, sign_in
from tests.browser.looks import in_all_looks
from tests.browser.servers import Server

BOARD = '.pl-board[data-state="pair"]'
SHOWN = '.admin[data-state="shown"]'


@pytest.fixture
def people(canned: Server, page: Page) -> Page:
    sign_in(page, canned, "boss")
    page.goto(f"{canned.url}/admin/people/")
    page.wait_for_selector(SHOWN)
    return page


@pytest.fixture
def guidelines(canned: Server, page: Page) -> Page:
    sign_in(page, canned, "boss")
    page.goto(f"{canned.url}/admin/guidelines/")
    page.wait_for_selector(SHOWN)
    return page


def row(page: Page, login: str) -> Locator:
    return page.locator(f'tr[data-login="{login}"]')


def hire(people: Page, another: Visitors, login: str) -> Page:
    """Invite somebody, who joins in a browser of his own."""
    people.get_by_role("button", name="Create link").click()
    link = people.locator('[data-part="link"]')
    expect(link).to_contain_text("/join")
    page = another().new_page()
    page.goto(link.inner_text())
    page.fill("[name=login]", login)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector(BOARD)
    return page


def test_who_is_invited_joins_and_is_listed(people: Page, another: Visitors, camera: Camera):
    hire(people, another, "newcomer")
    people.reload()
    expect(row(people, "newcomer")).to_contain_text("annotator")
    expect(people.locator('[data-part="acts"]')).to_contain_text("made an invite")
    in_all_looks(people, camera, "people")


def test_an_invite_is_withdrawn(canned: Server, people: Page, another: Visitors, camera: Camera):
    invites = people.locator('[data-part="invites"] > li')
    before = invites.count()
    people.get_by_role("button", name="Create link").click()
    expect(invites).to_have_count(before + 1)
    link = people.locator('[data-part="link"]').inner_text()
    camera(people, "people-invite")
    invites.first.get_by_role("button", name="Withdraw").click()
    expect(invites).to_have_count(before)
    page = another().new_page()
    page.goto(link)
    expect(page.locator("body")).to_contain_text("used, withdrawn or has expired")


def test_a_disabled_person_is_out_at_once(people: Page, another: Visitors, camera: Camera):
    theirs = hire(people, another, "leaver")
    people.reload()
    row(people, "leaver").get_by_role("button", name="Disable").click()
    camera(people, "people-disable")
    people.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(row(people, "leaver")).to_have_attribute("data-state", "disabled")
    theirs.reload()
    expect(theirs.locator("[name=password]")).to_be_visible()
    row(people, "leaver").get_by_role("button", name="Enable").click()
    expect(people.locator('[data-part="said"]')).to_contain_text("may sign in again")


def test_a_sign_in_link_and_another_role(people: Page, another: Visitors):
    hire(people, another, "climber")
    people.reload()
    row(people, "climber").locator("select").select_option("admin")
    expect(people.locator('[data-part="said"]')).to_contain_text("climber is an admin now.")
    row(people, "climber").get_by_role("button", name="Sign-in link").click()
    link = people.locator('[data-part="link"]')
    expect(link).to_contain_text("token=")
    page = another().new_page()
    page.goto(link.inner_text())
    page.get_by_role("button", name="Sign in as climber").click()
    page.wait_for_selector(BOARD)
    expect(page.locator(".pl-top [data-admin]")).to_be_visible()


def test_the_last_admin_stays(people: Page):
    for login in ("climber", "newcomer"):
        if row(people, login).count() and row(people, login).locator("select").input_value() == "admin":
            row(people, login).locator("select").select_option("annotator")
            expect(people.locator('[data-part="said"]')).to_contain_text(f"{login} is an annotator now.")
    row(people, "boss").locator("select").select_option("annotator")
    expect(people.locator('[data-part="said"]')).to_contain_text("the only admin who can sign in")
    expect(row(people, "boss").locator("select")).to_have_value("admin")


def test_older_acts_are_a_page_away(people: Page):
    people.evaluate("""async () => {
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ role: 'annotator', days: 1 });
      for (let n = 0; n < 51; n += 1) await fetch('/api/v1/people/invites', { method: 'POST', headers, body });
    }""")
    people.reload()
    people.wait_for_selector(SHOWN)
    acts = people.locator('[data-part="acts"] > li')
    expect(acts).to_have_count(50)
    people.get_by_role("button", name="Show older").click()
    expect(acts.nth(50)).to_contain_text("made an invite")
    numbers = acts.evaluate_all("items => items.map((item) => Number(item.dataset.act))")
    assert numbers == sorted(set(numbers), reverse=True)


def test_guidelines_are_seen_before_and_after_they_are_published(
    canned: Server, guidelines: Page, another: Visitors, camera: Camera
):
    guidelines.locator('[data-part="en"]').fill(
        "## Shorter\n\nPick the **shorter** answer. <script>hacked = 1</script>"
    )
    expect(guidelines.locator('[data-part="en-shown"] strong')).to_have_text(["shorter"])
    expect(guidelines.locator('[data-part="en-shown"] script')).to_have_count(0)
    expect(guidelines.locator('[data-part="changed"]')).to_be_visible()
    in_all_looks(guidelines, camera, "guidelines")
    guidelines.get_by_role("button", name="Publish").click()
    guidelines.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(guidelines.locator('[data-part="said"]')).to_contain_text("is now current")
    versions = guidelines.locator('[data-part="versions"] > li')
    expect(versions.first).to_contain_text("current")

    annotator = another().new_page()
    sign_in(annotator, canned, "ann")
    annotator.wait_for_timeout(300)
    annotator.keyboard.press("g")
    expect(annotator.locator(".pl-board")).to_contain_text("Pick the shorter answer.")

    versions.nth(1).get_by_role("button", name="Use this text").click()
    expect(guidelines.locator('[data-part="en-shown"]')).to_contain_text("Which answer would you rather have received?")


def test_empty_guidelines_are_refused(guidelines: Page):
    text = guidelines.locator('[data-part="en"]')
    text.fill(" ")
    guidelines.get_by_role("button", name="Publish").click()
    dialog = guidelines.get_by_role("dialog")
    dialog.get_by_role("button", name="Publish").click()
    expect(dialog.get_by_role("alert")).to_contain_text("The guidelines are empty.")


def test_both_pages_speak_chinese(canned: Server, people: Page, camera: Camera):
    people.locator("[data-language]").click()
    expect(people.locator("h1")).to_have_text("人员")
    camera(people, "people-zh")
    people.goto(f"{canned.url}/admin/guidelines/")
    people.wait_for_selector(SHOWN)
    expect(people.locator("h1")).to_have_text("标注指南")
    camera(people, "guidelines-zh")
