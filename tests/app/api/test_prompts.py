from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.admin_api import AdminApi, admin_api

LAST = 2**63 - 1


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as api:
        yield api


async def test_a_file_is_added_once(api: AdminApi) -> None:
    file = {"name": "some/where/mine.txt", "text": "What is a wombat?\n\nAnd why?\n"}
    assert await api.post("/prompts/file", file) == {"added": 2, "known": 0}
    assert await api.post("/prompts/file", file) == {"added": 0, "known": 2}
    lines = await api.get("/prompts/list?source=mine.txt")
    assert [line["messages"][0]["content"] for line in lines] == ["And why?", "What is a wombat?"]
    assert [(line["pairs"], line["retired_at"]) for line in lines] == [(0, None)] * 2
    assert {
        key: value for key, value in (await api.get("/prompts/sources"))[-1].items() if key in ("source", "retired")
    } == {"source": "mine.txt", "retired": 0}


async def test_json_lines_are_read_by_the_name_s_ending(api: AdminApi) -> None:
    await api.post("/prompts/file", {"name": "a.jsonl", "text": '{"prompt": "Why 1?"}\n{"prompt": "Why 2?"}'})
    assert len(await api.get("/prompts/list?words=why%201")) == 1


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.jsonl", '{"prompt": "fine"}\nnonsense', "a.jsonl, line 2: no JSON"),
        ("a.txt", "\n\n", "a.txt holds no prompt; put one a line"),
    ],
)
async def test_a_bad_file_is_named_and_nothing_of_it_is_kept(api: AdminApi, name: str, text: str, words: str) -> None:
    refusal = await api.post("/prompts/file", {"name": name, "text": text}, status=422)
    assert words in refusal["detail"]
    assert await api.get("/prompts/list?words=fine") == []


async def test_an_edited_prompt_takes_the_other_s_place(api: AdminApi) -> None:
    for old in await api.get("/prompts/list?split=heldout&limit=3"):
        new = (await api.post(f"/prompts/{old['id']}/edit", {"text": f"Better said {old['id']}?"}))["id"]
        [line] = await api.get(f"/prompts/list?words=better%20said%20{old['id']}")
        assert (line["id"], line["split"], line["source"]) == (new, "heldout", "test")
        assert line["messages"][:-1] == old["messages"][:-1]
        [gone] = [one for one in await api.get("/prompts/list?retired=true") if one["id"] == old["id"]]
        assert gone["retired_at"] is not None


async def test_a_prompt_that_is_there_is_not_made_twice(api: AdminApi) -> None:
    await api.post("/prompts/file", {"name": "a.txt", "text": "Why 1?\nWhy 2?"})
    second, first = await api.get("/prompts/list?source=a.txt")
    refusal = await api.post(f"/prompts/{first['id']}/edit", {"text": "Why 2?"}, status=422)
    assert f"Prompt {second['id']} says that already" in refusal["detail"]
    assert (await api.get("/prompts/list?source=a.txt&retired=true")) == []


async def test_a_retired_prompt_is_listed_as_such(api: AdminApi) -> None:
    [line] = await api.get("/prompts/list?limit=1")
    await api.post(f"/prompts/{line['id']}/retire", status=204)
    assert [one["id"] for one in await api.get("/prompts/list?retired=true")] == [line["id"]]
    assert [act for act, _ in await api.acts()] == ["retire_prompt"]


async def test_an_unknown_prompt_is_not_found(api: AdminApi) -> None:
    for act, body in (("retire", None), ("edit", {"text": "Why?"})):
        await api.post(f"/prompts/{LAST}/{act}", body, status=404)


async def test_an_empty_text_is_refused(api: AdminApi) -> None:
    [line] = await api.get("/prompts/list?limit=1")
    for text in ("", "  "):
        await api.post(f"/prompts/{line['id']}/edit", {"text": text}, status=422)
