"""What rounds left behind, as admins read it."""

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from app.api.round_records import MOST_LOG_BYTES, MOST_ROWS
from data.records import Role, RoundState
from tests.app.admin_api import AdminApi, admin_api
from tests.app.canned_rounds import add_round
from tests.app.canned_version import add_version
from trainer.interface.config import DPOConfig, KTOConfig
from trainer.interface.round_dir import RoundDir


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as api:
        yield api


@pytest.fixture
def done(api: AdminApi, tmp_path: Path) -> RoundDir:
    """A round that went well, the first."""
    return add_round(api.store, tmp_path, RoundState.PROMOTED, training=DPOConfig(), accuracy=0.7)


async def test_all_rounds_are_listed_newest_first(api: AdminApi, done: RoundDir, tmp_path: Path) -> None:
    boss = api.store.people.add("boss-1", Role.ADMIN)
    kto = KTOConfig(algorithm="kto")
    add_round(api.store, tmp_path, RoundState.FAILED, training=kto, started_by=boss.id, reason="out of memory")
    second, first = await api.get("/rounds/records")
    assert (first["id"], first["state"], first["algorithm"], first["accuracy"]) == (1, "promoted", "DPO", 0.7)
    assert (first["started_by"], first["reason"], first["version"]) == (None, None, None)
    assert (second["id"], second["state"], second["algorithm"], second["accuracy"]) == (2, "failed", "KTO", None)
    assert (second["started_by"], second["reason"]) == (boss.pseudonym, "out of memory")
    assert second["ended_at"] >= second["created_at"]
    assert [entry["id"] for entry in await api.get("/rounds/records?before=2")] == [1]


async def test_a_record_says_where_the_trainer_stands_and_what_it_was_told(api: AdminApi, done: RoundDir) -> None:
    record = await api.get("/rounds/1/record")
    assert (record["phase"], record["step"], record["steps"], record["seconds_left"]) == ("evaluating", 40, 40, None)
    assert record["settings"]["training.learning_rate"] == 5e-5
    assert record["settings"]["training.reference.kind"] == "base"
    assert record["reported"] is True


async def test_a_record_names_the_version_that_came_of_it(api: AdminApi, done: RoundDir) -> None:
    api.store.versions.add("round-000001", round_id=1, parent="base", sha256="0" * 64)
    assert (await api.get("/rounds/1/record"))["version"] == "round-000001"


async def test_a_round_without_a_directory_has_nothing_to_tell(api: AdminApi) -> None:
    created = api.store.rounds.create(config={}, started_by=None, admit=lambda *_: None)
    api.store.rounds.set_state(created.id, RoundState.FAILED, reason="the disk is full")
    record = await api.get("/rounds/1/record")
    assert (record["phase"], record["algorithm"], record["settings"], record["reported"]) == (None, "", {}, False)
    assert await api.get("/rounds/1/metrics") == {"every": 1, "rows": []}
    assert await api.get("/rounds/1/log") == {"text": "", "start": 0, "next": 0, "size": 0}


async def test_metrics_come_as_they_were_written(api: AdminApi, done: RoundDir) -> None:
    metrics = await api.get("/rounds/1/metrics")
    assert metrics == {"every": 1, "rows": done.metrics()}


async def test_of_a_long_round_only_some_rows_come_and_the_last(api: AdminApi, done: RoundDir) -> None:
    done.metrics_file.write_text("".join(f'{{"step": {step}, "loss": 1.0}}\n' for step in range(1, 5 * MOST_ROWS)))
    metrics = await api.get("/rounds/1/metrics")
    steps = [row["step"] for row in metrics["rows"]]
    assert (metrics["every"], len(steps), steps[-1]) == (5, MOST_ROWS, 5 * MOST_ROWS - 1)
    assert {after - before for before, after in pairwise(steps)} == {5}


async def test_what_is_not_a_finite_number_is_null(api: AdminApi, done: RoundDir) -> None:
    done.add_metrics({"step": 41, "loss": float("nan")})
    assert (await api.get("/rounds/1/metrics"))["rows"][-1] == {"step": 41, "loss": None}


async def test_a_log_is_read_on_from_where_one_stopped(api: AdminApi, done: RoundDir) -> None:
    first = await api.get("/rounds/1/log")
    assert first["text"] == done.log.read_text()
    assert first["next"] == first["size"] == done.log.stat().st_size
    with done.log.open("a") as log:
        log.write("wärmer\n")
    rest = await api.get(f"/rounds/1/log?after={first['next']}")
    assert (rest["text"], rest["start"], rest["next"]) == ("wärmer\n", first["next"], first["next"] + 8)
    assert (await api.get(f"/rounds/1/log?after={10**9}"))["text"] == ""


async def test_of_a_long_log_the_newest_whole_lines_come(api: AdminApi, done: RoundDir) -> None:
    lines = [f"line {number} ü" for number in range(20_000)]
    done.log.write_text("\n".join(lines))
    part = await api.get("/rounds/1/log")
    assert part["text"].splitlines() == lines[-len(part["text"].splitlines()) :]
    assert MOST_LOG_BYTES - 20 < len(part["text"].encode()) <= MOST_LOG_BYTES
    assert part["next"] == part["size"]


async def test_parts_of_a_log_put_together_are_the_log(api: AdminApi, done: RoundDir) -> None:
    done.log.write_text("ü" + "四" * MOST_LOG_BYTES)
    text, after = "", 0
    while part := (await api.get(f"/rounds/1/log?after={after}")):
        text, after = text + part["text"], part["next"]
        if after == part["size"]:
            break
    assert text == done.log.read_text()


async def test_a_report_comes_in_words(api: AdminApi, done: RoundDir) -> None:
    report = await api.get("/rounds/1/report")
    assert ["Held-out accuracy", {"words": "{share} %", "values": {"share": "70"}}] in report["tiles"]
    [table] = [table for table in report["tables"] if table["title"] == "Agreement with people"]
    assert table["head"] == ["", "Training pairs", "Held-out pairs"]
    assert table["rows"][0] == ["Pairs", "1", "30"]
    [probe] = report["probes"]
    assert (probe["prompt"], probe["answers"][0]) == (["how do I boil an egg?"], ["The new version", "For 7 minutes."])
    assert report["notes"] == ["Memory ran out | once."]


async def test_there_is_no_report_of_what_did_not_end_well(api: AdminApi, tmp_path: Path) -> None:
    add_round(api.store, tmp_path, RoundState.CANCELLED, training=DPOConfig())
    answer = await api.browser.get("/api/v1/rounds/1/report")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "Round 1 has no report: its training has not ended, or not well."


async def test_the_report_is_a_file_too(api: AdminApi, done: RoundDir) -> None:
    add_version(api.store, api.services.adapter_store, "other")
    answer = await api.browser.get("/api/v1/rounds/1/report.md")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="round-000001.md"'
    assert answer.text.startswith("# Round 1\n")


@pytest.mark.parametrize("what", ["record", "metrics", "log", "report", "report.md"])
async def test_a_round_that_does_not_exist_is_named(api: AdminApi, what: str) -> None:
    answer = await api.browser.get(f"/api/v1/rounds/9/{what}")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "there is no round 9"
    assert (await api.browser.get(f"/api/v1/rounds/0/{what}")).status_code == 422


@pytest.mark.parametrize("what", ["records", "1/record", "1/metrics", "1/log", "1/report", "1/report.md"])
async def test_annotators_read_none_of_it(tmp_path: Path, what: str) -> None:
    async with admin_api(tmp_path, Role.ANNOTATOR) as api:
        assert (await api.browser.get(f"/api/v1/rounds/{what}")).status_code == 403
