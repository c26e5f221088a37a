import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from data.records import RoundState
from tests.app.cli.test_main import run
from tests.app.owner import Owner, served
from tests.app.planted import plant
from tests.app.until import until
from tests.browser.servers import Server, running

Out = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`prefloop serve` with its defaults, where nobody has judged."""
    home = tmp_path_factory.mktemp("home")
    with running(["app.cli", "serve", "--home", str(home), "--port", "0"], home) as server:
        yield server


def test_a_preview_is_empty_at_first(server: Server, monkeypatch: Patch, capsys: Out) -> None:
    assert run("round", "preview", "--home", server.home, monkeypatch=monkeypatch) == 0
    counts, digest, waits = capsys.readouterr().out.splitlines()
    assert counts == "0 pairs to train on, 0 held out, 0 of two bad answers"
    assert digest.startswith("sha256 ") and len(digest) == 71
    assert waits == "Rounds are started manually."
    assert run("round", "preview", "--json", "--home", server.home, monkeypatch=monkeypatch) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["train"], found["heldout"], found["both_bad"], found["excluded"]) == (0, 0, 0, {})
    chosen = {"since_last": False, "replay": 0.0, "agreement": 0.0, "least_strength": 1.0, "too_fast": 3.0}
    assert found["rules"] == chosen
    assert (found["flip_rate"], found["until"], found["waiting"], found["trouble"]) == (None, None, False, None)


def test_a_round_without_judgments_is_refused_in_words(server: Server, monkeypatch: Patch, capsys: Out) -> None:
    assert run("round", "start", "--wait", "--home", server.home, monkeypatch=monkeypatch) == 2
    assert "judge some pairs first" in capsys.readouterr().err
    assert run("round", "list", "--json", "--home", server.home, monkeypatch=monkeypatch) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("command", [("show", 9), ("cancel", 9), ("resume", 9)])
def test_an_unknown_round_is_named(
    server: Server, monkeypatch: Patch, capsys: Out, command: tuple[object, ...]
) -> None:
    assert run("round", *command, "--home", server.home, monkeypatch=monkeypatch) == 2
    assert "9" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("preview",), ("start",), ("list",), ("show", 1), ("cancel", 1), ("withdraw",)])
def test_without_a_server_the_way_out_is_named(
    tmp_path: Path, monkeypatch: Patch, capsys: Out, command: tuple[object, ...]
) -> None:
    assert run("round", *command, "--home", tmp_path, monkeypatch=monkeypatch) == 2
    assert "start one with `prefloop serve --home" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("status",), "base serves; "),
        (("settings",), "port = "),
        (("trial",), "No two versions are compared."),
        (("ranking",), "base: "),
        (("audit",), ""),
    ],
)
def test_how_a_server_stands_is_told_in_words_and_as_json(
    server: Server, monkeypatch: Patch, capsys: Out, command: tuple[str, ...], words: str
) -> None:
    assert run(*command, "--home", server.home, monkeypatch=monkeypatch) == 0
    assert words in capsys.readouterr().out
    assert run(*command, "--json", "--home", server.home, monkeypatch=monkeypatch) == 0
    json.loads(capsys.readouterr().out)


def test_an_older_name_of_a_command_works_and_says_the_new_one(server: Server, monkeypatch: Patch, capsys: Out) -> None:
    assert run("ladder", "--json", "--home", server.home, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr()
    assert "`ladder` is called `ranking` now" in said.err
    assert json.loads(said.out)[0]["version"] == "base"


def test_the_base_goes_on_no_trial(server: Server, monkeypatch: Patch, capsys: Out) -> None:
    assert run("adapter", "try", "base", "--home", server.home, monkeypatch=monkeypatch) == 2
    assert "base serves" in capsys.readouterr().err


def test_how_it_stands_tells_programs_of_the_next_round(server: Server, monkeypatch: Patch, capsys: Out) -> None:
    assert run("round", "preview", "--json", "--home", server.home, monkeypatch=monkeypatch) == 0
    preview = json.loads(capsys.readouterr().out)
    assert run("status", "--json", "--home", server.home, monkeypatch=monkeypatch) == 0
    assert json.loads(capsys.readouterr().out)["next_round"] == preview


def test_what_a_rebuild_would_take_is_told(server: Server, monkeypatch: Patch, capsys: Out) -> None:
    command = ("round", "rebuild", "--without-source", "built-in", "--dry-run", "--home", server.home)
    assert run(*command, monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == "Rounds to be rebuilt: none.\n"
    assert run(*command, "--json", monkeypatch=monkeypatch) == 0
    assert json.loads(capsys.readouterr().out) == {"rounds": []}


@pytest.fixture
async def owner(tmp_path: Path, monkeypatch: Patch, capsys: Out) -> AsyncIterator[Owner]:
    """Of a server whose trainer never ends, where people have judged."""
    trainer = (sys.executable, "-c", "import time; time.sleep(3600)")
    async with served(tmp_path, monkeypatch, capsys, prompts=60, trainer=trainer) as owner:
        plant(owner.store, pairs=12, gold=0)
        owner.group = ("round",)
        yield owner
        assert owner.services is not None
        await owner.services.rounds.close()


async def is_now(owner: Owner, number: int, state: RoundState) -> None:
    await until(lambda: owner.store.rounds.by_id(number).state is state)


async def test_a_round_is_started_cancelled_and_taken_up(owner: Owner) -> None:
    started = await owner.read("start")
    assert (started["queued"], started["id"], started["cause"]) == (False, 1, "by hand")
    await is_now(owner, 1, RoundState.TRAINING)
    assert await owner.read("cancel", 1) == {"id": 1}
    await is_now(owner, 1, RoundState.CANCELLED)
    assert (await owner.read("resume", 1))["id"] == 1
    await is_now(owner, 1, RoundState.TRAINING)
    assert await owner.did("cancel", 1) == "Round 1 is being cancelled."


async def test_a_round_that_must_wait_is_queued(owner: Owner) -> None:
    await owner.did("start")
    queued = await owner.read("start")
    assert (queued["queued"], queued["id"], queued["state"]) == (True, None, "queued")
    assert (await owner.run("start"))[0] == 2
    withdrawn = await owner.read("withdraw")
    assert withdrawn["waiting"] is False
    assert await owner.did("start") == (
        "It starts when the round under way has ended; `prefloop round withdraw` takes it back."
    )
    assert await owner.did("withdraw") == "No round waits any more."


async def test_one_waits_for_a_queued_round_too(owner: Owner) -> None:
    assert owner.services is not None
    await owner.did("start")
    await is_now(owner, 1, RoundState.TRAINING)
    waiting = asyncio.create_task(owner.run("start", "--wait", "--json"))
    await until(lambda: owner.store.requests.waiting() is not None)
    await owner.services.rounds.cancel(1)
    await is_now(owner, 1, RoundState.CANCELLED)
    await owner.services.triggers.start_due()
    await is_now(owner, 2, RoundState.TRAINING)
    await owner.services.rounds.cancel(2)
    status, said = await waiting
    assert (status, said.startswith("prefloop: round 2 cancelled")) == (2, True)
