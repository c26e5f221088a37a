import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from data.exchange.imports import Chunk
from data.records import Choice, ImportFile, ImportKind, Role, RoundState, Split
from data.records.judged_pair import JudgedPair, Provenance, Sampled
from tests.app.admin_api import AdminApi, admin_api
from tests.app.cli.test_main import run
from tests.app.planted import judge_new_pairs


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    """One round on three judgments, and its version."""
    async with admin_api(tmp_path) as api:
        judge_new_pairs(api.store, [Choice.A, Choice.B, Choice.A], split=Split.TRAIN)
        entry = api.store.rounds.create(config={}, started_by=None)
        api.store.rounds.set_state(entry.id, RoundState.PROMOTED)
        api.store.versions.add("round-000001", round_id=entry.id, parent="base", sha256="0" * 64)
        yield api


async def test_one_goes_from_words_to_the_answer_to_the_version_to_people_and_back_to_answers(api: AdminApi) -> None:
    [found] = await api.get("/lineage/answers?text=one 1")
    answer = await api.get(f"/lineage/answers/{found['id']}")
    assert (answer["text"], answer["version"], answer["prompt"][0]["role"]) == ("one 1", "base", "user")
    origin, base = await api.get("/lineage/versions/round-000001")
    assert (origin["round"], origin["judgments"], base["version"], base["people"]) == (1, 3, "base", [])
    page = await api.get(f"/lineage/rounds/{origin['round']}")
    assert [used["choice"] for used in page["judgments"]] == ["a", "b", "a"]
    assert (page["next"], page["judgments"][1]["completions"][0]) == (None, found["id"])
    person = page["judgments"][0]["pseudonym"]
    [touch] = await api.get(f"/lineage/annotators/{person}")
    assert (touch["judgments"], touch["of"], touch["versions"]) == (3, 3, ["round-000001"])


@pytest.mark.parametrize(
    "path", ["/answers/99", "/versions/nothing", "/rounds/99", "/annotators/nobody", "/answers/9223372036854775807"]
)
async def test_what_is_not_there_is_said_in_words(api: AdminApi, path: str) -> None:
    refused = await api.browser.get(f"/api/v1/lineage{path}")
    assert refused.status_code == 404
    assert refused.json()["detail"].startswith("There is no ")


async def test_annotators_see_none_of_it(tmp_path: Path) -> None:
    async with admin_api(tmp_path, Role.ANNOTATOR) as api:
        for path in ("/lineage/answers?text=one", "/lineage/answers/1", "/lineage/versions/base"):
            assert (await api.browser.get(f"/api/v1{path}")).status_code == 403


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("version", "round-000001"), "round-000001: round 1, 3 judgments, sha256 "),
        (("answer", "1"), "answer 1, sampled from base on "),
    ],
)
async def test_the_command_line_tells_it_without_a_server(
    api: AdminApi,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    api.store.close()
    assert run("lineage", *arguments, "--home", tmp_path, monkeypatch=monkeypatch) == 0
    assert words in capsys.readouterr().out
    assert run("lineage", *arguments, "--json", "--home", tmp_path, monkeypatch=monkeypatch) == 0
    assert json.loads(capsys.readouterr().out)


async def test_the_command_line_tells_what_rests_on_a_person(
    api: AdminApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pseudonym = api.store.people.all()[-1].pseudonym
    api.store.close()
    assert run("lineage", "annotator", pseudonym, "--home", tmp_path, monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == "round 1: 3 of 3 judgments; round-000001\n"
    assert run("lineage", "annotator", "nobody", "--home", tmp_path, monkeypatch=monkeypatch) == 2
    assert "There is no annotator nobody." in capsys.readouterr().err


async def test_an_imported_answer_says_which_file_it_is_from(tmp_path: Path) -> None:
    async with admin_api(tmp_path) as api:
        file = ImportFile(ImportKind.PREFERENCES, "battles.jsonl", "0" * 64, "jsonl", "arena", "battles.jsonl")
        said = Provenance(a=Sampled(version="gpt-4"))
        pair = JudgedPair(({"role": "user", "content": "?"},), "from gpt", "from nobody", provenance=said)
        api.store.imports.add_pairs(api.store.imports.begin(file), [(1, pair)], Chunk(1, 1))
        [found] = await api.get("/lineage/answers?text=from%20gpt")
        assert (found["file"], found["model"], found["version"], found["author"]) == (
            "battles.jsonl",
            "gpt-4",
            None,
            None,
        )
