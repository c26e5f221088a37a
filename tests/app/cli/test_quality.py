from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from data.records import Choice
from tests.app.owner import Owner, served
from tests.app.planted import HABITS, agree, plant


@pytest.fixture
async def owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Owner]:
    async with served(tmp_path, monkeypatch, capsys, prompts=60) as owner:
        yield owner


async def test_nobody_has_judged_yet(owner: Owner) -> None:
    assert (await owner.did("quality")).splitlines() == [
        "0 judgments on 0 pairs, 0 of them judged by two or more",
        "agreement –, Krippendorff's alpha –",
    ]
    assert (await owner.did("flags"), await owner.read("flags")) == ("", [])


async def test_whose_judgments_want_a_look_is_told(owner: Owner) -> None:
    agree(owner.store, plant(owner.store), Choice.B)
    found = await owner.read("quality")
    assert {one["login"] for one in found["annotators"]} == HABITS.keys()
    said = (await owner.did("quality")).splitlines()
    assert said[0].startswith(f"{found['judgments']} judgments on {found['items']} pairs")
    [leo] = [line for line in said if line.startswith("left-leo ")]
    assert leo.endswith("wants a look")
    assert any(line.startswith("left-leo: one side: 100 % (") for line in said)


async def test_an_old_time_has_no_part_in_the_last_days(owner: Owner) -> None:
    plant(owner.store, pairs=4, gold=0)
    assert (await owner.read("quality", "--days", 1))["judgments"] == 4 * len(HABITS)


async def test_flags_are_listed(owner: Owner) -> None:
    agree(owner.store, plant(owner.store, pairs=4, gold=0), Choice.B)
    [found] = await owner.read("flags")
    assert (found["flag"], found["comment"]) == ("personal_data", "Whoever wrote this gave a name.")
    assert "personal data  Whoever wrote this" in (await owner.did("flags")).splitlines()[1]


async def test_what_admins_did_is_listed_newest_first(owner: Owner) -> None:
    await owner.did("user", "invite")
    await owner.did("prompt", "retire", 1)
    [retired, made] = await owner.read("audit")
    assert [act["action"] for act in (retired, made)] == ["retire_prompt", "make_invite"]
    assert retired["detail"] == {"prompt_id": "1"}
    head, line = (await owner.did("audit", "--limit", 1)).splitlines()
    assert head.split() == ["when", "by", "act", "with"]
    assert line.endswith("retire_prompt  prompt_id: 1")
