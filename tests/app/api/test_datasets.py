import asyncio
import errno
import gzip
import io
import json
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from datasets import load_from_disk

from app.datasets.export_order import ExportOrder
from app.web.server import create_rest_app
from data.errors import ConflictError, HomeError
from data.exchange.export_query import ExportQuery
from data.exchange.export_rows import LeftOut
from data.exchange.imports import Chunk
from data.records import ImportFile, ImportKind, Role
from data.records.judged_pair import JudgedPair
from tests.app.admin_api import AdminApi, admin_api
from tests.app.hub import Hub
from tests.app.hub import hub as listening_hub
from tests.app.pages_stage import client

ROUTES = (
    *("/exports", "/exports/formats", "/exports/1", "/exports/1/file", "/exports/1/manifest", "/errands/1"),
    *("/imports", "/imports/1", "/imports/1/bad-rows", "/export"),
)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as api:
        yield api


@pytest.fixture
def hub() -> Iterator[Hub]:
    with listening_hub() as one:
        yield one


def pairs(count: int = 20, **more: object) -> list[dict[str, object]]:
    return [{"prompt": f"question {n}?", "chosen": f"yes {n}", "rejected": f"no {n}", **more} for n in range(count)]


def lines(*rows: object) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def judgments() -> bytes:
    """What three people say of two pairs."""
    return lines(
        *(
            {"format": "prefloop/1", "prompt": [{"role": "user", "content": f"{n}?"}], "a": {"text": "x"}}
            | {"b": {"text": "y"}, "choice": choice, "annotator": person, "comment": f"{person} says so"}
            for n in range(2)
            for person, choice in (("u1", "a"), ("u2", "a"), ("u3", "tie"))
        )
    )


async def look(api: AdminApi, name: str, content: bytes, *, status: int = 200, **said: str) -> dict[str, Any]:
    asked = {"name": name, "kind": "preferences", **said}
    answer = await api.browser.post("/api/v1/imports/look", params=asked, content=content)
    assert answer.status_code == status, answer.text
    seen: dict[str, Any] = answer.json()
    return seen


async def done(api: AdminApi, job: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while job["state"] in ("waiting", "running"):
            await asyncio.sleep(0.02)
            job = await api.get(f"/errands/{job['id']}")
    return job


async def bring(api: AdminApi, name: str, content: bytes, **said: Any) -> dict[str, Any]:
    """Look at a file and keep it; the import."""
    seen = await look(api, name, content, **said)
    job = await done(api, await api.post("/imports", {"upload": seen["upload"]}, status=202))
    assert job["state"] == "done", job
    entry: dict[str, Any] = await api.get(f"/imports/{job['result']}")
    return entry


async def export(api: AdminApi, asked: Mapping[str, object]) -> int:
    job = await done(api, await api.post("/exports", dict(asked), status=202))
    assert job["state"] == "done", job
    return int(job["result"])


async def content(api: AdminApi, path: str) -> bytes:
    answer = await api.browser.get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.text
    return answer.content


async def test_a_file_is_looked_at_and_then_kept(api: AdminApi) -> None:
    seen = await look(api, "a.jsonl", lines(*pairs(3), "nonsense"))
    assert (seen["container"], seen["format"], seen["unit"]) == ("jsonl", "trl", "line")
    assert (seen["rows"], seen["good"], [row["number"] for row in seen["bad"]]) == (4, 3, [4])
    assert seen["shown"][0]["a"] == "yes 0"
    assert await api.get("/imports") == []

    entry = await bring(api, "a.jsonl", lines(*pairs(3), "nonsense"), license="mit")
    assert (entry["state"], entry["license"], entry["source"]) == ("done", "mit", "a.jsonl")
    assert {key: entry["counts"][key] for key in ("rows", "added", "known", "bad")} == {
        "rows": 4,
        "added": 3,
        "known": 0,
        "bad": 1,
    }
    [bad] = (await content(api, f"/imports/{entry['id']}/bad-rows")).splitlines()
    assert json.loads(bad)["line"] == 4


async def test_the_same_file_again_adds_nothing(api: AdminApi) -> None:
    await bring(api, "a.jsonl", lines(*pairs()))
    again = await bring(api, "b.jsonl", lines(*pairs()))
    assert (again["counts"]["added"], again["counts"]["known"]) == (0, 20)


async def test_gzip_is_unpacked(api: AdminApi) -> None:
    assert (await bring(api, "a.jsonl.gz", gzip.compress(lines(*pairs()))))["counts"]["added"] == 20


async def test_prompts_come_in_as_text(api: AdminApi) -> None:
    entry = await bring(api, "mine.txt", b"What is a wombat?\n\nAnd why?\n", kind="prompts")
    assert (entry["container"], entry["format"], entry["counts"]["added"]) == ("text", None, 2)
    assert len(await api.get("/prompts/list?source=mine.txt")) == 2


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("a.jsonl", b"", "no row"),
        ("a.jsonl", lines({"x": 1}), "no format that is known"),
        ("a.jsonl", lines({"prompt": "x", "chosen": "a", "rejected": "a"}), "none of its 1 rows can be kept"),
        ("a.jsonl.gz", gzip.compress(lines(*pairs()))[:-20], "cut off"),
        ("a.doc", b"x", "a.doc: the name ends in none of"),
        ("..", b"x", "has no name"),
    ],
)
async def test_a_bad_file_is_refused_and_forgotten(
    api: AdminApi, tmp_path: Path, name: str, body: bytes, words: str
) -> None:
    assert words in (await look(api, name, body, status=422))["detail"]
    assert list((tmp_path / "imports").rglob("*.*")) == []


@pytest.mark.parametrize("name", ["a\0.jsonl", "日本語" * 35 + ".jsonl", "a" * 190 + ".JSONL.GZ", "upload.jsonl"])
async def test_a_file_may_have_any_name_and_keeps_it(api: AdminApi, name: str) -> None:
    body = lines(*pairs(3))
    entry = await bring(api, name, gzip.compress(body) if name.endswith("GZ") else body)
    assert (entry["name"], entry["source"], entry["counts"]["added"]) == (name, name, 3)


@pytest.mark.parametrize("name", ["日本語.jsonl.gz", "upload.jsonl.gz"])
async def test_an_error_calls_a_file_by_its_name_alone(api: AdminApi, tmp_path: Path, name: str) -> None:
    refusal = await look(api, name, gzip.compress(lines(*pairs()))[:-20], status=422)
    assert refusal["detail"].startswith(f"{name} is cut off") and str(tmp_path) not in refusal["detail"]


async def test_a_key_that_is_no_unicode_is_named_all_the_same(api: AdminApi) -> None:
    refusal = await look(api, "a.jsonl", lines({"\ud800": 1}), status=422)
    assert "found \\ud800 (a number)" in refusal["detail"]


async def test_a_format_that_was_said_is_the_format(api: AdminApi) -> None:
    refusal = await look(api, "a.jsonl", lines(*pairs()), status=422, format="hh-rlhf")
    assert "read as hh-rlhf" in refusal["detail"]
    assert "no-such" in (await look(api, "a.jsonl", lines(*pairs()), status=422, format="no-such"))["detail"]


async def test_a_file_is_taken_in_once_or_forgotten(api: AdminApi, tmp_path: Path) -> None:
    seen = await look(api, "a.jsonl", lines(*pairs()))
    answer = await api.browser.delete(f"/api/v1/imports/uploads/{seen['upload']}")
    assert answer.status_code == 204
    assert list((tmp_path / "imports").rglob("*.jsonl")) == []
    await api.post("/imports", {"upload": seen["upload"]}, status=404)


async def test_only_a_file_that_was_looked_at_is_thrown_away(api: AdminApi, tmp_path: Path) -> None:
    await bring(api, "a.jsonl", lines(*pairs(3), "nonsense"))
    for token in ("%2e%2e", "..%2f..", "no-such"):
        await api.browser.delete(f"/api/v1/imports/uploads/{token}")
    api.services.uploads.forget("..")
    assert (tmp_path / "imports" / "000001" / "bad-rows.jsonl").exists()


async def test_a_preview_shows_what_a_file_then_holds(api: AdminApi) -> None:
    await bring(api, "a.jsonl", lines(*pairs()))
    asked = {"format": "trl", "container": "jsonl"}
    seen = await api.post("/exports/preview", asked, status=200)
    number = await export(api, asked)
    rows = [json.loads(line) for line in (await content(api, f"/exports/{number}/file")).splitlines()]
    assert seen["rows"] == rows[:5]
    assert seen["counts"]["pairs_train"] + seen["counts"]["pairs_test"] == len(rows) == 20
    manifest = json.loads(await content(api, f"/exports/{number}/manifest"))
    assert manifest["counts"] == seen["counts"]
    entry = await api.get(f"/exports/{number}")
    assert (entry["sha256"], entry["here"]) == (manifest["sha256"], True)
    assert [one["id"] for one in await api.get("/exports")] == [number]


async def test_our_own_format_has_every_judgment_if_nothing_else_is_said(api: AdminApi) -> None:
    await bring(api, "a.jsonl", judgments())
    number = await export(api, {"format": "prefloop"})
    for path in (f"/exports/{number}/file", "/export?format=prefloop"):
        rows = [json.loads(line) for line in (await content(api, path)).splitlines()]
        assert [row["choice"] for row in rows] in (["a", "a", "tie"] * 2, ["b", "b", "tie"] * 2)
        assert [row["comment"] for row in rows] == ["u1 says so", "u2 says so", "u3 says so"] * 2
    seen = await api.post("/exports/preview", {"format": "prefloop", "aggregation": "majority"}, status=200)
    assert [row["votes"] for row in seen["rows"]] == [3, 3]
    seen = await api.post("/exports/preview", {"format": "prefloop", "ties": False}, status=200)
    assert (len(seen["rows"]), seen["counts"]["excluded_tie"]) == (4, 2)


async def test_formats_that_train_have_the_majority_if_nothing_else_is_said(api: AdminApi) -> None:
    await bring(api, "a.jsonl", judgments())
    formats = (await api.get("/exports/formats"))["formats"]
    for one in formats:
        usual = (one["aggregation"], one["ties"], one["both_bad"])
        assert usual == (("judgments", True, True) if one["name"] == "prefloop" else ("majority", False, False))
        seen = await api.post("/exports/preview", {"format": one["name"]}, status=200)
        pairs = seen["counts"].get("pairs_train", 0) + seen["counts"].get("pairs_test", 0)
        assert pairs == 2
        assert seen["counts"]["judgments"] == 6


async def test_a_streamed_export_over_a_damaged_page_is_an_error_and_no_half_a_file(
    api: AdminApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bring(api, "a.jsonl", lines(*pairs()))
    walk = api.store.export_rows.judged_pairs

    def walk_on_to_the_damage(
        query: ExportQuery, *, tell_language: bool, among: object
    ) -> Iterator[JudgedPair | LeftOut]:
        yield from islice(walk(query, tell_language=tell_language), 3)
        raise HomeError("prefloop.db is damaged; restore a backup")

    monkeypatch.setattr(api.store.export_rows, "judged_pairs", walk_on_to_the_damage)
    answer = await api.browser.get("/api/v1/export?format=trl")
    assert (answer.status_code, answer.json()["detail"]) == (503, "prefloop.db is damaged; restore a backup")
    assert [path.name for path in api.services.export_files._directory.iterdir()] == []


async def test_a_file_that_finds_no_room_is_told_as_that_and_leaves_nothing(
    api: AdminApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pathlib.Path.open", no_room)
    answer = await api.browser.post(
        "/api/v1/imports/look", params={"name": "a.jsonl", "kind": "preferences"}, content=lines(*pairs())
    )
    assert (answer.status_code, answer.json()["detail"][:18]) == (503, "The disk is full: ")
    assert list(api.services.uploads._uploads.iterdir()) == []


async def test_an_export_that_finds_no_room_says_so(api: AdminApi, monkeypatch: pytest.MonkeyPatch) -> None:
    await bring(api, "a.jsonl", lines(*pairs()))
    monkeypatch.setattr("app.datasets.export_files.write", no_room)
    job = await done(api, await api.post("/exports", {"format": "trl"}, status=202))
    assert job["state"] == "failed"
    assert job["reason"]["words"].startswith("The disk is full: ")


def no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_preview_is_given_up_for_a_newer_one(api: AdminApi, monkeypatch: pytest.MonkeyPatch) -> None:
    await bring(api, "a.jsonl", lines(*pairs()))
    monkeypatch.setattr("app.datasets.export_tally._TOLD_EVERY", 1)
    exports, order = api.services.export_files, ExportOrder()
    walk = api.store.export_rows.judged_pairs
    asked: list[int] = []

    def walk_and_ask_again(query: ExportQuery, *, tell_language: bool, among: object) -> Iterator[JudgedPair | LeftOut]:
        if not asked:
            asked.append(1)
            exports.preview(order, 7)
        yield from walk(query, tell_language=tell_language)

    monkeypatch.setattr(api.store.export_rows, "judged_pairs", walk_and_ask_again)
    with pytest.raises(ConflictError, match="Another preview"):
        exports.preview(order, 7)
    exports.preview(order, 8)


async def test_the_guideline_that_people_judged_by_is_in_the_manifest(api: AdminApi) -> None:
    await bring(api, "a.jsonl", lines(*pairs()))
    await api.post("/guidelines", {"body": "Be kind."})
    manifest = json.loads(await content(api, f"/exports/{await export(api, {})}/manifest"))
    assert manifest["guideline"]["text"] == "Be kind."


async def test_a_directory_comes_as_a_zip(api: AdminApi, tmp_path: Path) -> None:
    await bring(api, "a.jsonl", lines(*pairs()))
    number = await export(api, {"container": "datasets", "provenance": True})
    with zipfile.ZipFile(io.BytesIO(await content(api, f"/exports/{number}/file"))) as archive:
        archive.extractall(tmp_path / "unpacked")
    found = load_from_disk(str(tmp_path / "unpacked"))
    assert sum(split.num_rows for split in found.values()) == 20
    assert json.loads(await content(api, f"/exports/{number}/manifest"))["container"] == "datasets"


async def test_a_file_is_taken_away_and_remembered(api: AdminApi) -> None:
    await bring(api, "a.jsonl", lines(*pairs()))
    number = await export(api, {})
    assert (await api.browser.delete(f"/api/v1/exports/{number}/file")).status_code == 204
    assert (await api.get(f"/exports/{number}"))["here"] is False
    assert (await api.browser.get(f"/api/v1/exports/{number}/file")).status_code == 404


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"format": "no-such"}, "no-such"),
        ({"container": "no-such"}, "no-such"),
        ({"ties": True}, "cannot say tie"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(api: AdminApi, asked: dict[str, object], words: str) -> None:
    for path in ("/exports", "/exports/preview"):
        assert words in (await api.post(path, asked, status=422))["detail"]


async def test_nothing_to_write_is_said(api: AdminApi) -> None:
    job = await done(api, await api.post("/exports", {}, status=202))
    assert (job["state"], job["result"]) == ("failed", None)
    assert "nobody has judged a pair" in job["reason"]["words"]


async def test_provenance_and_anonymity(api: AdminApi) -> None:
    await bring(api, "a.jsonl", lines(*pairs()), license="cc0-1.0")
    known = await api.post("/exports/preview", {"provenance": True}, status=200)
    assert (known["rows"][0]["license"], len(known["rows"][0]["annotators"])) == ("cc0-1.0", 1)
    nobody = await api.post("/exports/preview", {"provenance": True, "anonymous": True}, status=200)
    assert nobody["rows"][0]["annotators"] is None


@pytest.mark.parametrize("private", [True, False])
async def test_a_dataset_is_published(api: AdminApi, hub: Hub, monkeypatch: pytest.MonkeyPatch, private: bool) -> None:
    monkeypatch.setattr("app.datasets.hub.HfApi", lambda: hub.api)
    await bring(api, "a.jsonl", lines(*pairs()))
    asked: dict[str, object] = {"format": "trl", "repo": "me/eggs"} | ({} if private else {"private": False})
    job = await done(api, await api.post("/exports/publish", asked, status=202))
    assert job["state"] == "done", job
    assert hub.repos == {"me/eggs": private}
    assert {"README.md", "manifest.json", "data/train.parquet"} <= set(hub.files)
    entry = await api.get(f"/exports/{job['result']}")
    assert (entry["container"], entry["request"]["repo"], entry["here"]) == ("hub", "me/eggs", False)
    assert entry["counts"] == json.loads(hub.files["manifest.json"])["counts"]


async def test_a_hub_that_refuses_is_quoted(api: AdminApi, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.datasets.hub.HfApi", lambda: hub.api)
    hub.repos["me/eggs"] = False
    await bring(api, "a.jsonl", lines(*pairs()))
    job = await done(api, await api.post("/exports/publish", {"repo": "me/eggs"}, status=202))
    assert (job["state"], job["reason"]["values"]) == ("failed", {"repo": "me/eggs"})
    assert "everybody can see it" in job["reason"]["words"]
    assert await api.get("/exports") == []


async def test_what_is_done_is_audited(api: AdminApi) -> None:
    await bring(api, "a.jsonl", lines(*pairs()))
    await export(api, {"format": "trl"})
    assert [action for action, _ in await api.acts()] == ["export_preferences", "import_file"]


async def test_annotators_may_none_of_it(api: AdminApi) -> None:
    browser = client(create_rest_app(api.services), api.services, Role.ANNOTATOR)
    for path in ROUTES:
        assert (await browser.get(f"/api/v1{path}")).status_code == 403
    for path in ("/imports/look?name=a&kind=prompts", "/imports", "/exports", "/exports/preview", "/exports/publish"):
        assert (await browser.post(f"/api/v1{path}", json={})).status_code == 403


async def test_every_reading_answers_after_an_import_by_strangers(api: AdminApi) -> None:
    said = [
        JudgedPair(
            ({"role": "user", "content": f"why {n}?"},), "yes", "no", provenance={"annotator": "them", "flag": flag}
        )
        for n, flag in enumerate(("broken_prompt", "personal_data"))
    ]
    begun = api.store.imports.begin(
        ImportFile(ImportKind.PREFERENCES, "theirs.jsonl", "0" * 64, "jsonl", "prefloop", "theirs", None)
    )
    api.store.imports.add_pairs(begun, list(enumerate(said, 1)), Chunk(2, 2))
    api.store.imports.end(begun.id)
    schema = await api.get("/openapi.json")
    plain = {
        path.removeprefix("/api/v1") for path, ways in schema["paths"].items() if "get" in ways and "{" not in path
    }
    assert {"/quality", "/overview", "/flags", "/rebuilds", "/audit", "/people/activity"} <= plain
    refused = {path: answer for path in sorted(plain) if (answer := await _status(api, path)) not in (200, 422)}
    assert refused == {}
    [one, two] = await api.get("/flags")
    assert one["pseudonym"] == two["pseudonym"] and one["pseudonym"] in (await api.get("/rebuilds"))["annotators"]


async def test_somebody_an_import_brought_can_be_left_out_and_let_in(api: AdminApi) -> None:
    await bring(api, "a.jsonl", lines(*pairs(3)))
    [pseudonym] = {*(await api.get("/rebuilds"))["annotators"]} - {one.pseudonym for one in api.store.people.all()}
    [number] = [number for number, name in api.store.people.pseudonyms().items() if name == pseudonym]
    await api.post(f"/people/{number}/quarantine", {"reason": "made up"})
    assert api.store.rounds.preview().excluded["quarantined"] == 3
    assert (await api.get("/quality"))["annotators"] == []
    await api.post(f"/people/{number}/quarantine/lift", status=204)
    assert "quarantined" not in api.store.rounds.preview().excluded


async def _status(api: AdminApi, path: str) -> int:
    return (await api.browser.get(f"/api/v1{path}")).status_code
