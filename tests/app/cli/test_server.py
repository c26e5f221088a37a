"""Which commands do without a server, and what the others say."""

from pathlib import Path

import pytest

from app.cli.server import client_of, server_of, store_of
from app.client.opened_home import opened_home
from app.home import Home
from data.errors import HomeError
from tests.app.owner import PASSWORD, Owner
from tests.app.planted import plant

Out = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


@pytest.fixture
async def owner(tmp_path: Path, monkeypatch: Patch, capsys: Out) -> Owner:
    """Of a home that no server runs on, with people who have judged."""
    with opened_home(Home(tmp_path / "home"), make=True) as opened:
        opened.store.versions.ensure_base("random", "0")
        opened.store.prompts.add([[{"role": "user", "content": f"{n}?"}] for n in range(60)], source="test")
        plant(opened.store, pairs=4, gold=0)
    owner = Owner(tmp_path / "home", None, monkeypatch, capsys)
    await owner.did("user", "add", "boss", "--role", "admin", *PASSWORD)
    return owner


def test_a_server_that_does_not_run_is_to_be_started(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="start one with `prefloop serve --home"), server_of(tmp_path):
        pass


def test_a_home_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="there is no prefloop home in"), client_of(tmp_path):
        pass
    with pytest.raises(HomeError, match="start one with `prefloop serve --home"), store_of(tmp_path):
        pass


async def test_what_the_store_alone_can_tell_is_told(owner: Owner) -> None:
    assert len(await owner.read("prompt", "list")) == 50
    assert [source["source"] for source in await owner.read("prompt", "sources")] == ["test"]
    assert (await owner.read("quality"))["judgments"] > 0
    assert await owner.read("flags") == []
    assert await owner.read("gold", "list") == []
    assert await owner.read("guidelines", "list") == []
    assert [act["action"] for act in await owner.read("audit")] == ["add_user"]


async def test_what_the_store_alone_can_do_is_done_and_nobody_is_named(owner: Owner, tmp_path: Path) -> None:
    text = tmp_path / "guidelines.md"
    text.write_text("Be fair.")
    await owner.did("prompt", "retire", 2)
    await owner.did("guidelines", "publish", text)
    await owner.did("gold", "make", 1, "a")
    await owner.did("gold", "retire", (await owner.read("gold", "list"))[0]["pair_id"])
    found = await owner.read("user", "quarantine", "left-leo", "--reason", "always left")
    assert found["quarantine"]["by"] is None
    await owner.did("user", "release", "left-leo")
    acts = owner.acts()[1:]
    assert [act.action for act in acts] == [
        "retire_prompt",
        "publish_guidelines",
        "make_gold",
        "retire_gold",
        "quarantine",
        "lift_quarantine",
    ]
    assert {act.actor_id for act in acts} == {None}


@pytest.mark.parametrize("command", [("prompt", "edit", 1, "Why?"), ("gold", "write", "Why?", "So.", "No.")])
async def test_who_writes_needs_an_account_at_a_server(owner: Owner, command: tuple[object, ...]) -> None:
    status, said = await owner.run(*command)
    assert (status, "start one with `prefloop serve --home" in said) == (2, True)


@pytest.mark.parametrize("command", [("round", "list"), ("status",), ("adapter", "try", "v1")])
async def test_what_needs_a_model_at_work_says_so(owner: Owner, command: tuple[str, ...]) -> None:
    status, said = await owner.run(*command)
    assert (status, "start one with `prefloop serve --home" in said) == (2, True)
