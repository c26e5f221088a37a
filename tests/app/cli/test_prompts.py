from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.owner import Owner, served


@pytest.fixture
async def owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Owner]:
    async with served(tmp_path, monkeypatch, capsys, prompts=5) as owner:
        owner.group = ("prompt",)
        yield owner


async def test_prompts_are_listed_newest_first(owner: Owner) -> None:
    found = await owner.read("list")
    assert [line["id"] for line in found] == [5, 4, 3, 2, 1]
    head, *lines = (await owner.did("list", "--limit", 2)).splitlines()
    assert head.split()[:4] == ["prompt", "split", "source", "judgments"]
    assert [line.split()[0] for line in lines] == ["5", "4"]


async def test_the_list_is_narrowed(owner: Owner) -> None:
    assert [line["id"] for line in await owner.read("list", "--words", "PRIME NUMBER")] == [2]
    assert [line["id"] for line in await owner.read("list", "--before", 3)] == [2, 1]
    splits = [line["id"] for split in ("train", "heldout") for line in await owner.read("list", "--split", split)]
    assert sorted(splits) == [1, 2, 3, 4, 5]
    assert await owner.read("list", "--source", "elsewhere") == []


async def test_a_prompt_is_retired(owner: Owner) -> None:
    found = await owner.read("retire", 2)
    assert (found["id"], found["retired_at"] is None) == (2, False)
    assert await owner.did("retire", 3) == "Prompt 3 is retired."
    assert [line["id"] for line in await owner.read("list", "--retired")] == [3, 2]
    assert [line["id"] for line in await owner.read("list", "--in-use")] == [5, 4, 1]


async def test_a_prompt_gives_its_place_to_another(owner: Owner) -> None:
    assert await owner.read("edit", 1, "Why is the sky red?") == {"id": 6}
    assert await owner.did("edit", 6, "Why is it grey?") == "Prompt 7 has taken the place of prompt 6."
    [line] = await owner.read("list", "--words", "grey")
    assert line["messages"][-1]["content"] == "Why is it grey?"


async def test_sources_are_counted(owner: Owner) -> None:
    [found] = await owner.read("sources")
    assert (found["source"], found["train"] + found["heldout"]) == ("test", 5)
    assert (await owner.did("sources")).splitlines()[1].startswith("test")


async def test_an_unknown_prompt_is_named(owner: Owner) -> None:
    status, said = await owner.run("retire", 99)
    assert (status, "99" in said) == (2, True)


@pytest.mark.parametrize("command", [("list",), ("sources",), ("edit", 1, "text"), ("retire", 1)])
async def test_without_a_server_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[object, ...]
) -> None:
    status, said = await Owner(tmp_path, None, monkeypatch, capsys, ("prompt",)).run(*command)
    assert (status, "start one with `prefloop serve --home" in said) == (2, True)
