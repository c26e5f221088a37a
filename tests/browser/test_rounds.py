"""The page on rounds in a real browser: one that runs, one that ended, several side by side."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from data.records import RoundState
from data.store import PreferenceStore
from tests.app.canned_rounds import manifest, write_steps
from tests.browser.conftest import Camera, sign_in
from tests.browser.looks import in_all_looks
from tests.browser.servers import Server, running
from trainer.interface.round_dir import RoundDir


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("rounds")
    with running(["tests.browser.rounds_server", str(home)], home) as server:
        yield server


def open_rounds(page: Page, server: Server, query: str = "") -> Page:
    sign_in(page, server, "boss")
    page.goto(f"{server.url}/admin/rounds/{query}")
    page.wait_for_selector('.admin[data-state="shown"]')
    return page


def part(name: str) -> str:
    return f'[data-part="{name}"]'


def test_a_round_that_ended_shows_its_report_and_its_file(server: Server, page: Page, camera: Camera):
    open_rounds(page, server, "?round=3")
    expect(page.locator(part("title"))).to_have_text("Round 3")
    expect(page.locator(part("state"))).to_have_text("rejected")
    expect(page.locator(part("reason"))).to_contain_text("2.1 times as long")
    expect(page.locator(part("tiles"))).to_contain_text("71 %")
    expect(page.locator(part("tables"))).to_contain_text("Agreement with people")
    page.get_by_text("Sample answers, side by side", exact=True).click()
    expect(page.locator(part("probes"))).to_contain_text("For 7 minutes.")
    expect(page.locator(part("started"))).to_contain_text("by prefloop itself")
    assert page.locator('[data-chart="loss"] .mean').count() == 1
    in_all_looks(page, camera, "rounds-report")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download report").click()
    assert downloading.value.suggested_filename == "round-000003.md"
    assert Path(downloading.value.path()).read_text().startswith("# Round 3\n")


def test_ticked_rounds_lie_over_each_other_and_the_address_says_which(server: Server, page: Page, camera: Camera):
    open_rounds(page, server, "?round=3")
    page.get_by_label("Show round 1 beside it").check()
    page.get_by_label("Show round 4 beside it").check()
    expect(page.locator('[data-chart="loss"] .mean')).to_have_count(3)
    expect(page.locator(f"{part('legend')} li")).to_have_text(["Round 3", "Round 1", "Round 4"])
    beside = page.locator(part("beside"))
    expect(beside).to_contain_text("training.learning_rate")
    expect(beside.get_by_role("row", name="Held-out accuracy")).to_contain_text("71 %")
    assert page.url.endswith("?round=3&with=1,4")
    page.get_by_label("by progress").check()
    expect(page.locator('[data-chart="loss"]')).to_contain_text("all of it")
    in_all_looks(page, camera, "rounds-beside")
    page.reload()
    expect(page.locator('[data-chart="loss"] .mean')).to_have_count(3)


def test_a_round_is_chosen_with_the_keyboard(server: Server, page: Page):
    open_rounds(page, server, "?round=3")
    page.locator('[data-round="2"] button').press("Enter")
    expect(page.locator(part("title"))).to_have_text("Round 2")
    expect(page.locator(part("report-panel"))).to_be_hidden()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    assert page.url.endswith("?round=2")


def test_a_running_round_goes_on_before_ones_eyes(server: Server, page: Page, camera: Camera):
    open_rounds(page, server)
    expect(page.locator(part("title"))).to_have_text("Round 5")
    expect(page.locator(part("left"))).to_have_text("training · step 24 of 60 · 75 s left")
    expect(page.locator(part("log"))).to_contain_text("step 24: loss")
    in_all_looks(page, camera, "rounds-running")
    page.locator('[data-do="cancel"]').click()
    expect(page.get_by_role("dialog")).to_contain_text("Cancel round 5?")
    camera(page, "rounds-cancel")
    page.get_by_role("dialog").get_by_role("button", name="Cancel the round").click()

    directory = RoundDir(server.home / "rounds" / "000005")
    write_steps(directory, range(25, 61), pace=5e-5)
    expect(page.locator(part("log"))).to_contain_text("step 60: loss")
    directory.set_manifest(manifest(0.66, 60))
    with PreferenceStore.open(server.home / "prefloop.db") as store:
        store.rounds.set_state(5, RoundState.WAITING)
    expect(page.locator(part("state"))).to_have_text("awaiting decision")
    expect(page.locator(part("tiles"))).to_contain_text("66 %")
    expect(page.locator('[data-round="5"]')).to_contain_text("66 % held out")


def test_a_round_that_does_not_exist_is_named(server: Server, page: Page):
    open_rounds(page, server, "?round=99")
    expect(page.locator(part("said"))).to_have_text("there is no round 99")
    expect(page.locator(part("shown"))).to_be_hidden()
    page.locator('[data-round="1"] button').click()
    expect(page.locator(part("title"))).to_have_text("Round 1")


def test_the_page_on_rounds_speaks_chinese(server: Server, page: Page, camera: Camera):
    open_rounds(page, server, "?round=3&with=1")
    page.locator("[data-language]").click()
    expect(page.locator("h1")).to_have_text("轮次")
    expect(page.locator(part("title"))).to_have_text("第 3 轮")
    camera(page, "rounds-zh")


def test_a_home_without_rounds_says_so(canned: Server, page: Page):
    open_rounds(page, canned)
    expect(page.locator(part("none"))).to_be_visible()
    expect(page.locator(part("sides"))).to_be_hidden()


@pytest.fixture
def rounds(tmp_path: Path, page: Page) -> Iterator[Page]:
    """The page over a server of its own; round 5 trains."""
    with running(["tests.browser.rounds_server", str(tmp_path)], tmp_path) as server:
        yield open_rounds(page, server)


def test_another_round_waits_for_the_one_that_trains_and_is_taken_back(rounds: Page, camera: Camera):
    expect(rounds.locator('[data-part="next-waits"]')).to_contain_text("Rounds are started manually.")
    expect(rounds.locator('[data-part="next-facts"]')).to_contain_text("Digest")
    rounds.get_by_role("button", name="Queue another round").click()
    expect(rounds.locator('[data-part="said"]')).to_contain_text("A round will start when the one under way has ended")
    expect(rounds.locator('[data-part="next-waits"]')).to_contain_text("Another round waits for it to end.")
    rounds.get_by_role("button", name="Withdraw it").click()
    expect(rounds.locator('[data-part="next-waits"]')).not_to_contain_text("Another round waits")
    expect(rounds.locator('[data-part="next-waits"]')).to_contain_text("Rounds are started manually.")


def test_what_leaving_somebody_out_means_is_said_before(rounds: Page, camera: Camera):
    rounds.get_by_text("Retrain without an annotator’s judgments").click()
    person = rounds.locator('[data-part="rebuild-annotator"]')
    expect(person.locator("option")).not_to_have_count(0)
    expect(rounds.get_by_role("button", name="Retrain", exact=True)).to_be_disabled()
    names = [option.inner_text() for option in person.locator("option").all()]
    person.select_option(names[1])
    expect(rounds.locator('[data-part="rebuild-plan"]')).to_have_text("To be trained again: Round 1 and Round 3.")
    expect(rounds.get_by_role("button", name="Retrain", exact=True)).to_be_enabled()
    camera(rounds, "rounds-rebuild")
    person.select_option(names[-1])
    expect(rounds.locator('[data-part="rebuild-plan"]')).to_contain_text("nothing to rebuild")
