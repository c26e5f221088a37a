"""The page on prompts in a real browser: a file is added, prompts are found, changed and retired."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Camera, sign_in
from tests.browser.looks import in_all_looks
from tests.browser.servers import Server

SHOWN = '.admin[data-state="shown"]'


@pytest.fixture
def prompts(canned: Server, page: Page) -> Page:
    """The page, open for an admin."""
    sign_in(page, canned, "boss")
    page.goto(f"{canned.url}/admin/prompts/")
    page.wait_for_selector(SHOWN)
    return page


def listed(page: Page) -> Locator:
    return page.locator('[data-part="list"] > li')


def said(page: Page) -> Locator:
    return page.locator('[data-part="said"]')


def add(page: Page, name: str, text: str) -> None:
    page.locator('[data-part="file"]').set_input_files(
        {"name": name, "mimeType": "text/plain", "buffer": text.encode()}
    )


def find(page: Page, words: str) -> None:
    page.fill("[name=words]", words)


def test_a_file_is_added_and_its_prompts_are_found(prompts: Page, camera: Camera):
    add(prompts, "wombats.txt", "What is a wombat?\nHow do wombats sleep?\n")
    expect(said(prompts)).to_have_text("wombats.txt: 2 prompts added, 0 were there already.")
    expect(prompts.locator('[data-part="sources"]')).to_contain_text("wombats.txt")
    in_all_looks(prompts, camera, "prompts")
    find(prompts, "SLEEP")
    expect(listed(prompts)).to_have_count(1)
    expect(listed(prompts)).to_contain_text("How do wombats sleep?")
    find(prompts, "no such words")
    expect(prompts.locator('[data-part="none"]')).to_be_visible()


def test_a_bad_file_says_what_is_wrong_with_it(prompts: Page, camera: Camera):
    add(prompts, "bad.jsonl", '{"prompt": "fine"}\nnonsense')
    expect(said(prompts)).to_contain_text("bad.jsonl, line 2: no JSON")
    camera(prompts, "prompts-bad")


def test_a_prompt_is_changed_and_retired(prompts: Page, camera: Camera):
    add(prompts, "typo.txt", "Wat is a numbat?\n")
    expect(said(prompts)).to_contain_text("typo.txt")
    find(prompts, "numbat")
    expect(listed(prompts)).to_have_count(1)
    listed(prompts).get_by_role("button", name="Edit").click()
    dialog = prompts.get_by_role("dialog")
    expect(dialog.locator("textarea")).to_have_value("Wat is a numbat?")
    dialog.locator("textarea").fill("What is a numbat?")
    camera(prompts, "prompts-edit")
    dialog.get_by_role("button", name="Save").click()
    expect(listed(prompts)).to_contain_text(["What is a numbat?"])

    listed(prompts).get_by_role("button", name="Retire").click()
    dialog.get_by_role("button", name="Retire the prompt").click()
    expect(prompts.locator('[data-part="none"]')).to_be_visible()
    prompts.select_option("[name=retired]", "true")
    expect(listed(prompts)).to_have_count(2)


def test_more_are_shown_on_request(prompts: Page):
    expect(listed(prompts)).to_have_count(50)
    prompts.get_by_role("button", name="Show more").click()
    expect(listed(prompts)).to_have_count(100)


def test_the_page_on_prompts_speaks_chinese(prompts: Page, camera: Camera):
    prompts.locator("[data-language]").click()
    expect(prompts.locator("h1")).to_have_text("提示")
    camera(prompts, "prompts-zh")
