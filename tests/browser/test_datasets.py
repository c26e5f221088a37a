"""The page on datasets in a real browser: a file comes in, and what was judged goes out."""

import json

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Camera, sign_in
from tests.browser.looks import in_all_looks
from tests.browser.servers import Server

SHOWN = '.admin[data-state="shown"]'
PAIRS = 12


@pytest.fixture
def datasets(canned: Server, page: Page) -> Page:
    """The page, open for an admin."""
    sign_in(page, canned, "boss")
    page.goto(f"{canned.url}/admin/datasets/")
    page.wait_for_selector(SHOWN)
    return page


def part(page: Page, name: str) -> Locator:
    return page.locator(f'[data-part="{name}"]')


def choose(page: Page, name: str, text: str) -> None:
    part(page, "file").set_input_files({"name": name, "mimeType": "text/plain", "buffer": text.encode()})


def rows(topic: str, count: int = PAIRS) -> str:
    said = [{"prompt": f"{topic} {n}?", "chosen": f"Yes, {n}.", "rejected": f"No, {n}."} for n in range(count)]
    return "".join(json.dumps(row) + "\n" for row in said)


def bring(page: Page, name: str, text: str) -> None:
    choose(page, name, text)
    page.click('[data-do="import"]')
    expect(part(page, "said")).to_have_text("File imported.")


def download(page: Page, words: str) -> bytes:
    with page.expect_download() as coming:
        part(page, "exports").locator("li").first.get_by_text(words, exact=True).click()
    return coming.value.path().read_bytes()


def test_a_file_is_looked_at_and_kept(datasets: Page, camera: Camera):
    choose(datasets, "foxes.jsonl", rows("Why foxes") + "nonsense\n")
    look = part(datasets, "look")
    expect(look).to_contain_text("foxes.jsonl: 12 of 13 rows can be imported")
    expect(look).to_contain_text("Read as jsonl, trl.")
    expect(look).to_contain_text("line 13 no JSON")
    expect(look).to_contain_text("Why foxes 0?")
    in_all_looks(datasets, camera, "datasets-look")
    expect(datasets.locator('[data-do="import"]')).to_have_text("Import 12 rows")
    datasets.click('[data-do="import"]')
    expect(part(datasets, "said")).to_have_text("File imported.")
    entry = part(datasets, "imports").locator("li").first
    expect(entry).to_contain_text("12 added, 0 known before, 1 left out")
    with datasets.expect_download() as coming:
        entry.get_by_text("Rows left out").click()
    assert json.loads(coming.value.path().read_text())["line"] == 13
    expect(part(datasets, "preview")).to_contain_text("pairs to train on")


def test_a_file_is_left_alone(datasets: Page):
    choose(datasets, "owls.jsonl", rows("Why owls"))
    expect(part(datasets, "look")).to_contain_text("owls.jsonl")
    datasets.click('[data-do="forget"]')
    expect(part(datasets, "look")).to_be_empty()
    expect(part(datasets, "imports")).not_to_contain_text("owls.jsonl")


def test_a_bad_file_says_what_is_wrong_with_it(datasets: Page, camera: Camera):
    choose(datasets, "bad.jsonl", '{"x": 1}\n')
    expect(part(datasets, "said")).to_contain_text("bad.jsonl, line 1: no format that is known; found x (a number)")
    expect(part(datasets, "take-in")).to_be_hidden()
    camera(datasets, "datasets-bad")


def test_a_file_is_made_downloaded_and_discarded(datasets: Page, camera: Camera):
    bring(datasets, "bees.jsonl", rows("Why bees"))
    preview = part(datasets, "preview")
    expect(preview).to_contain_text("The first rows:")
    datasets.select_option("[name=format] >> nth=0", "sharegpt-ranking")
    expect(preview).to_contain_text("conversations")
    datasets.check("[name=provenance]")
    expect(preview).to_contain_text("pair_id")
    in_all_looks(datasets, camera, "datasets")
    datasets.click('[data-do="export"]')
    expect(part(datasets, "said")).to_have_text("The file is ready.")
    made = [json.loads(line) for line in download(datasets, "Download").decode().split("\n")[:-1]]
    assert {"conversations", "chosen", "rejected", "pair_id"} <= set(made[0])
    manifest = json.loads(download(datasets, "Manifest"))
    assert manifest["counts"]["pairs_train"] + manifest["counts"]["pairs_test"] == len(made) >= PAIRS
    entries = part(datasets, "exports").locator("li")
    entries.first.get_by_text("Discard").click()
    expect(entries.first.get_by_text("Download")).to_have_count(0)


def test_what_is_left_out_is_said_and_what_cannot_be_is_not_offered(datasets: Page):
    bring(datasets, "ants.jsonl", rows("Why ants"))
    expect(datasets.locator("[name=ties]")).to_be_disabled()
    datasets.select_option("[name=format] >> nth=0", "prefloop")
    expect(datasets.locator("[name=ties]")).to_be_enabled()
    expect(datasets.locator("[name=aggregation]")).to_have_value("judgments")
    expect(datasets.locator("[name=ties]")).to_be_checked()
    expect(datasets.locator("[name=provenance]")).to_be_disabled()
    datasets.click('[data-part="narrow"] summary')
    datasets.fill("[name=votes]", "2")
    expect(part(datasets, "preview")).to_contain_text("on pairs with too few votes")
    expect(datasets.locator('[data-do="export"]')).to_be_disabled()


def test_what_no_trainer_reads_of_a_csv_file_is_said(datasets: Page, camera: Camera):
    warning = datasets.get_by_text("In CSV these columns are JSON texts")
    expect(datasets.locator('[data-do="export"]')).to_be_visible()
    expect(warning).to_have_count(0)
    datasets.select_option("[name=container] >> nth=0", "csv")
    expect(warning).to_contain_text("prompt, chosen, rejected")
    camera(datasets, "datasets-csv")
    datasets.select_option("[name=format] >> nth=0", "trl-text")
    expect(warning).to_have_count(0)


def test_publishing_asks_first(datasets: Page):
    bring(datasets, "elks.jsonl", rows("Why elks"))
    datasets.click('[data-do="publish"]')
    expect(part(datasets, "dialog-title")).to_have_text("Publish on the Hugging Face hub?")
    dialog = part(datasets, "dialog")
    expect(dialog).to_contain_text("as a private repository, by the token of the server")
    expect(dialog.get_by_label("Repository, as owner/name")).to_be_visible()
    expect(dialog.get_by_role("button", name="Publish")).to_be_visible()
    datasets.click('[data-do="dialog-no"]')
    expect(part(datasets, "dialog")).to_be_hidden()


def test_the_page_speaks_chinese(datasets: Page, camera: Camera):
    datasets.click("[data-language]")
    datasets.wait_for_selector(SHOWN)
    expect(datasets.locator("h1")).to_have_text("数据集")
    camera(datasets, "datasets-zh")
