from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from data.records import Choice
from tests.app.owner import Owner, served
from tests.app.planted import GOLD, HABITS, agree, plant

WRITTEN = ("write", "2 + 2?", "4", "5", "--explanation", "count")


@pytest.fixture
async def owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Owner]:
    async with served(tmp_path, monkeypatch, capsys) as owner:
        owner.group = ("gold",)
        yield owner


async def test_a_pair_is_written_and_retired(owner: Owner) -> None:
    made = await owner.read(*WRITTEN)
    assert (made["a"], made["b"], made["choice"], made["explanation"]) == ("4", "5", "a", "count")
    assert await owner.read("list") == [made]
    assert " ".join((await owner.did("list")).splitlines()[1].split()) == "1 a 0 of 0 in use 2 + 2?"
    assert await owner.did("retire", made["pair_id"]) == "Known pair 1 is asked no more."
    assert await owner.read("list") == [made | {"retired": True}]


async def test_what_all_say_alike_is_offered_and_becomes_known(owner: Owner) -> None:
    agreed = agree(owner.store, plant(owner.store, gold=0), Choice.B)
    said = {one["pair_id"]: one for one in await owner.read("candidates")}[agreed.id]
    lines = [line.split() for line in (await owner.did("candidates")).splitlines()]
    assert [str(agreed.id), "b", str(said["votes"])] in [line[:3] for line in lines]
    assert (await owner.did("make", agreed.id, "b")).endswith(": b is expected.")
    [known] = await owner.read("list")
    assert (known["made_of"], known["choice"]) == (agreed.id, "b")


async def test_the_list_says_how_people_did(owner: Owner) -> None:
    plant(owner.store)
    lines = (await owner.did("list")).splitlines()[1:]
    assert len(lines) == GOLD
    assert all(f" of {len(HABITS)} " in line for line in lines)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("make", 99, "a"), "99"),
        (("make", 1, "skip"), "'skip' is not one of"),
        (("write", "2 + 2?", "4", "4 "), "say the same"),
        (("retire", 99), "99"),
    ],
)
async def test_what_cannot_be_known_is_refused(owner: Owner, command: tuple[object, ...], why: str) -> None:
    status, said = await owner.run(*command)
    assert (status, why in said) == (2, True), said
    assert await owner.read("list") == []


@pytest.mark.parametrize("command", [("list",), ("candidates",), ("make", 1, "a"), ("retire", 1)])
async def test_without_a_server_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[object, ...]
) -> None:
    status, said = await Owner(tmp_path, None, monkeypatch, capsys, ("gold",)).run(*command)
    assert (status, "start one with `prefloop serve --home" in said) == (2, True)
