"""Backups by a command and by time, and homes brought back from them."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.home import Home
from app.maintenance.backups import Backups, BackupSettings, back_up, directory_of
from app.serving.engine import SamplingJob, complete
from app.settings.open_store import open_store
from app.settings.settings import load_settings
from app.startup import open_services
from data.db.backups import backups_in, restore
from data.db.lock import HomeLock
from data.errors import HomeError
from data.records import Message, Sampling
from data.store import PreferenceStore
from tests.app.cli.test_main import run
from tests.app.until import until
from tests.data.scene import HandClock, raw
from tests.models import save_adapter

Out = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch
HOUR = 3_600_000
PROMPTS: tuple[tuple[Message, ...], ...] = tuple(({"role": "user", "content": f"what is {n}?"},) for n in range(4))
GREEDY = Sampling(temperature=0.0, max_new_tokens=24)


@pytest.fixture
def home(tmp_path: Path, model: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    (home.path / "prefloop.toml").write_text(f'model = "{model}"\nmax_rank = 8\n[training]\nrank = 4\n')
    with PreferenceStore.open(home.database):
        return home


async def greedy(home: Home, begun: Callable[[], object] = lambda: None) -> tuple[str, list[tuple[int, ...]]]:
    """Which version a server of this home answers with, and its greedy tokens."""
    settings = load_settings(home.path)
    with HomeLock(home.path), open_store(home, settings) as store:
        async with open_services(home, settings, store) as services:
            begun()
            champion = services.router.champion
            drawn = [await complete(services.engine, SamplingJob(prompt, champion, (1,), GREEDY)) for prompt in PROMPTS]
            return champion, [answers[0].token_ids for answers in drawn]


async def trained(home: Home, model: Path, tmp_path: Path) -> None:
    """Let a version serve in a home."""
    settings = load_settings(home.path)
    with open_store(home, settings) as store:
        async with open_services(home, settings, store) as services:
            manifest = save_adapter(model, tmp_path / "trained", seed=1)
            store.versions.add("round-000001", round_id=None, parent="base", sha256=manifest.adapter_sha256)
            services.adapter_store.install("round-000001", tmp_path / "trained", manifest)
            await services.registry.promote("round-000001", reason="a test")


async def test_a_restored_home_serves_the_same_champion_with_the_same_greedy_tokens(
    home: Home, model: Path, tmp_path: Path
) -> None:
    base = await greedy(home)
    await trained(home, model, tmp_path)
    directory = tmp_path / "kept"
    before = await greedy(home, lambda: back_up(home, directory))
    shutil.rmtree(home.path)
    restore(backups_in(directory)[0].path, home.path)

    assert await greedy(home) == before
    assert before[0] == "round-000001"
    assert before[1] != base[1]


def test_a_backup_is_made_when_it_is_due_and_the_oldest_go(home: Home, tmp_path: Path) -> None:
    clock, directory = HandClock(), tmp_path / "kept"
    backups = Backups(home, BackupSettings(every_hours=2, keep=2, directory=directory), clock)
    counts = []
    for _ in range(7):
        backups.back_up_if_due()
        counts.append(len(backups_in(directory)))
        clock.now += HOUR
    assert counts == [1, 1, 2, 2, 2, 2, 2]
    assert [backup.created_at for backup in backups_in(directory)] == [clock.now - HOUR, clock.now - 3 * HOUR]


async def test_a_backup_that_cannot_be_made_is_told_and_tried_again(
    home: Home, tmp_path: Path, monkeypatch: Patch
) -> None:
    monkeypatch.setattr("app.maintenance.backups._LOOK_SECONDS", 0.01)
    (tmp_path / "file").touch()
    backups = Backups(home, BackupSettings(every_hours=2, directory=tmp_path / "file"))
    task = asyncio.create_task(backups.run())
    try:
        await until(lambda: backups.loop.last_error is not None)
        assert f"{tmp_path / 'file'} cannot be written" in str(backups.loop.last_error)
        (tmp_path / "file").unlink()
        await until(lambda: backups.loop.last_error is None)
    finally:
        task.cancel()
    assert len(backups_in(tmp_path / "file")) == 1


async def test_no_backup_is_made_unless_it_is_asked_for(home: Home) -> None:
    await Backups(home, BackupSettings()).run()
    assert not directory_of(home, None).exists()


def test_a_backup_inside_the_home_is_refused(home: Home) -> None:
    with pytest.raises(HomeError, match="lies in the home itself"):
        back_up(home, home.path / "kept")


def test_the_commands_keep_a_home_and_bring_it_back(
    home: Home, tmp_path: Path, monkeypatch: Patch, capsys: Out
) -> None:
    with HomeLock(home.path), PreferenceStore.open(home.database):  # as a server has it
        for _ in range(2):
            assert run("backup", "--keep", 1, "--home", home.path, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    [backup] = backups_in(tmp_path / "home-backups")
    assert f"{backup.path}: 2 files, " in said
    assert said.count("deleted: ") == 1

    assert run("restore", backup.path, "--dry-run", "--home", tmp_path / "new", monkeypatch=monkeypatch) == 0
    assert not (tmp_path / "new").exists()
    assert run("restore", backup.path, "--home", tmp_path / "new", "--json", monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out
    assert json.loads(out[out.index("{") :])["files"] == 2
    assert run("check", "--home", tmp_path / "new", monkeypatch=monkeypatch) == 0
    assert "All is well." in capsys.readouterr().out


async def test_check_names_what_is_wrong_beside_a_running_server(
    home: Home, model: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out
) -> None:
    await trained(home, model, tmp_path)
    with raw(home.database) as connection:
        connection.execute("update prompt set messages = replace(messages, 'a', 'b') where id = 1")
    (home.adapters / "round-000001" / "adapter_model.safetensors").write_bytes(b"other")
    with HomeLock(home.path), PreferenceStore.open(home.database):
        assert run("check", "--home", home.path, monkeypatch=monkeypatch) == 2
    told = capsys.readouterr()
    assert "prompt 1 is not as it was written" in told.out
    assert "adapter round-000001 is refused: its files have changed" in told.out
    assert "2 things are wrong; nothing was changed." in told.err


def test_check_changes_nothing_of_an_older_store(home: Home, monkeypatch: Patch, capsys: Out) -> None:
    with raw(home.database) as connection:
        connection.execute("delete from _sqlite_migrations where id = (select max(id) from _sqlite_migrations)")
    assert run("check", "--home", home.path, monkeypatch=monkeypatch) == 2
    assert "made by an older prefloop" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["backup", "check"])
def test_a_home_that_is_not_there_is_named(tmp_path: Path, monkeypatch: Patch, capsys: Out, command: str) -> None:
    assert run(command, "--home", tmp_path / "none", monkeypatch=monkeypatch) == 2
    assert f"there is no prefloop home in {tmp_path / 'none'}" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
