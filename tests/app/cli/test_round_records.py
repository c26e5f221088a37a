from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.api.round_records import MOST_LOG_BYTES
from data.records import RoundState
from tests.app.canned_rounds import add_round
from tests.app.owner import Owner, served
from tests.app.planted import plant
from trainer.interface.config import DPOConfig


@pytest.fixture
async def owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Owner]:
    """Round 1 has a report; round 2 failed without one."""
    async with served(tmp_path, monkeypatch, capsys, prompts=60) as owner:
        plant(owner.store, pairs=12, gold=0)
        for state, accuracy in ((RoundState.REFUSED, 0.7), (RoundState.FAILED, None)):
            add_round(owner.store, tmp_path, state, training=DPOConfig(), reason="because", accuracy=accuracy)
        owner.group = ("round",)
        yield owner


async def test_a_round_is_shown_in_words(owner: Owner) -> None:
    first, *facts, last = (await owner.did("show", 1)).splitlines()
    assert first == "round 1 (by hand) refused: because"
    assert "accuracy on held-out pairs  70 %" in facts
    assert last == "`prefloop round report 1` prints the whole report."
    assert "report" not in await owner.did("show", 2)


async def test_programs_read_a_round_with_its_settings(owner: Owner) -> None:
    found = await owner.read("show", 1)
    assert (found["id"], found["state"], found["report"]["heldout"]["accuracy"]) == (1, "refused", 0.7)
    assert found["record"]["settings"]["training.algorithm"] == "dpo"


async def test_a_report_is_printed_or_written(owner: Owner, tmp_path: Path) -> None:
    said = await owner.did("report", 1)
    assert said.startswith("# Round 1\n") and "## Settings" in said
    assert await owner.did("report", 1, "--out", tmp_path / "one.md") == (
        f"The report of round 1 is in {tmp_path / 'one.md'}"
    )
    assert (tmp_path / "one.md").read_text().strip() == said


async def test_programs_read_a_report_and_its_markdown(owner: Owner) -> None:
    found = await owner.read("report", 1)
    assert (found["round"], found["out"], found["markdown"][:9]) == (1, None, "# Round 1")
    assert ["Held-out accuracy", {"words": "{share} %", "values": {"share": "70"}}] in found["report"]["tiles"]


async def test_a_round_that_failed_has_a_file_but_no_measures(owner: Owner) -> None:
    found = await owner.read("report", 2)
    assert (found["report"], "There is none" in found["markdown"]) == (None, True)


async def test_a_file_that_cannot_be_written_is_named(owner: Owner, tmp_path: Path) -> None:
    status, said = await owner.run("report", 1, "--out", tmp_path / "no" / "one.md")
    assert (status, "--out" in said) == (2, True)


async def test_a_log_is_printed_whole(owner: Owner, tmp_path: Path) -> None:
    log = tmp_path / "rounds" / "000001" / "trainer.log"
    text = "".join(f"step {number}: 好\n" for number in range(2 * MOST_LOG_BYTES // 10))
    log.write_text(text, encoding="utf-8")
    assert await owner.did("log", 1) == text.strip()
    size = len(text.encode())
    assert await owner.read("log", 1) == {"text": text, "start": 0, "next": size, "size": size}


@pytest.mark.parametrize("command", ["show", "report", "log"])
async def test_an_unknown_round_is_named(owner: Owner, command: str) -> None:
    status, said = await owner.run(command, 9)
    assert (status, "9" in said) == (2, True)
