import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.db.backups import LIST, Backup, back_up, backups_in, keep_newest, restore, verify
from data.errors import ConflictError, HomeError, InputError
from data.records import Role
from data.store import PreferenceStore
from tests.data.scene import MINUTE, HandClock, raw


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home whose store is open, as that of a server that runs, with a version and a round that trains."""
    home = tmp_path / "home"
    for name, text in (
        ("prefloop.toml", "port = 0"),
        ("adapters/round-000001/adapter_model.safetensors", "weights"),
        ("rounds/000002/config.json", "{}"),
        ("rounds/000002/checkpoint.pt", "step 3"),
        ("rounds/000002/checkpoint.part", "step"),
        ("rounds/000002/.lock", ""),
        ("imports/uploads/abc/upload.jsonl", "passing"),
        ("exports/errand-1/preferences.jsonl", "half"),
    ):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    with PreferenceStore.open(home / "prefloop.db") as store:
        store.people.add("anna", Role.ADMIN)
        yield home


def parts(home: Path) -> list[Path]:
    return [home / name for name in ("prefloop.toml", "adapters", "rounds", "imports", "exports")]


def made(home: Path, clock: HandClock | None = None) -> Backup:
    return back_up(home / "prefloop.db", parts(home), home.with_name("kept"), clock=clock or HandClock())


def people(database: Path) -> set[str]:
    with PreferenceStore.open(database) as store:
        assert store.check() == []
        return {person.login for person in store.people.all()}


def test_a_home_in_use_is_kept_whole_but_for_what_is_only_being_written(home: Path) -> None:
    backup = made(home)

    assert set(backup.files) == {
        "prefloop.db",
        "prefloop.toml",
        "adapters/round-000001/adapter_model.safetensors",
        "rounds/000002/config.json",
        "rounds/000002/checkpoint.pt",
    }
    assert people(backup.path / "prefloop.db") == {"anna"}
    assert {stat.S_IMODE(one.stat().st_mode) for one in (backup.path, *backup.path.rglob("*"))} == {0o700, 0o600}


def test_the_store_is_copied_as_it_is_at_one_moment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.db.database._PAGES_COPIED", 1)
    later: list[str] = []
    with PreferenceStore.open(home / "prefloop.db") as store:

        def somebody_comes(_: int) -> None:
            if len(later) < 20:
                later.append(f"later-{len(later)}")
                store.people.add(later[-1], Role.ANNOTATOR)

        backup = back_up(home / "prefloop.db", parts(home), home.with_name("kept"), told=somebody_comes)
    assert len(later) == 20
    assert people(backup.path / "prefloop.db") == {"anna"}


def test_a_round_s_manifest_is_copied_before_what_it_speaks_of(home: Path) -> None:
    for name in ("adapter/weights", "manifest.json"):
        (home / "rounds/000002" / name).parent.mkdir(exist_ok=True)
        (home / "rounds/000002" / name).touch()
    names = list(made(home).files)
    assert names.index("rounds/000002/manifest.json") < names.index("rounds/000002/adapter/weights")


def test_what_breaks_off_leaves_nothing(home: Path) -> None:
    def stop(_: int) -> None:
        raise HomeError("the server ended")

    with pytest.raises(HomeError, match="the server ended"):
        back_up(home / "prefloop.db", parts(home), home.with_name("kept"), told=stop)
    assert list(home.with_name("kept").iterdir()) == []


def test_a_backup_that_finds_no_room_is_not_begun(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.db.backups.free_bytes", lambda _: 1000)
    with pytest.raises(HomeError, match=r"\d+ MB are to be copied, and 0 MB are free in .*kept. Make room"):
        made(home)
    assert list(home.with_name("kept").iterdir()) == []


def test_a_restored_home_is_as_it_was_and_its_owners_alone(home: Path, tmp_path: Path) -> None:
    backup = made(home)
    restore(backup.path, tmp_path / "new")

    assert people(tmp_path / "new" / "prefloop.db") == {"anna"}
    for name in backup.files:
        if name != "prefloop.db":
            assert (tmp_path / "new" / name).read_bytes() == (home / name).read_bytes()
    assert not (tmp_path / "new" / LIST).exists()
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_nothing_is_written_over(home: Path) -> None:
    with pytest.raises(ConflictError, match="is not empty, and nothing is written over"):
        restore(made(home).path, home)
    assert people(home / "prefloop.db") == {"anna"}


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_damaged_backup_is_named_and_makes_no_home(home: Path, tmp_path: Path, damage: str) -> None:
    backup = made(home)
    file = backup.path / "adapters/round-000001/adapter_model.safetensors"
    if damage == "gone":
        file.unlink()
    else:
        file.write_text("weighty")
    for work in (lambda: verify(backup.path), lambda: restore(backup.path, tmp_path / "new")):
        with pytest.raises(InputError, match=f"the backup is damaged: {file}"):
            work()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["../prefloop.toml", "/etc/passwd", "adapters/../../x", ""])
def test_a_list_that_leads_out_of_the_backup_is_refused(home: Path, tmp_path: Path, name: str) -> None:
    backup = made(home)
    said = json.loads((backup.path / LIST).read_text())
    said["files"][name] = said["files"]["prefloop.toml"]
    (backup.path / LIST).write_text(json.dumps(said))
    with pytest.raises(InputError, match="leads out of it"):
        restore(backup.path, tmp_path / "new")


def test_another_directory_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no backup of prefloop"):
        restore(tmp_path, tmp_path / "new")


def test_only_the_newest_backups_are_kept_and_strangers_left_alone(home: Path) -> None:
    clock, directory = HandClock(), home.with_name("kept")
    first = made(home, clock)
    (directory / "prefloop-notes").mkdir()
    later = []
    for _ in range(3):
        clock.now += MINUTE
        later.append(made(home, clock).path)
    assert [backup.path for backup in keep_newest(directory, 2)] == [later[0], first.path]
    assert [backup.path for backup in backups_in(directory)] == [later[2], later[1]]
    assert (directory / "prefloop-notes").exists()


def test_a_store_that_was_killed_is_kept_with_its_last_commits(home: Path) -> None:
    with raw(home / "prefloop.db") as connection:  # not closed by prefloop: the newest rows stand in the log beside it
        connection.execute("pragma wal_autocheckpoint = 0")
        with PreferenceStore.open(home / "prefloop.db") as store:
            store.people.add("berta", Role.ANNOTATOR)
            assert people(made(home).path / "prefloop.db") == {"anna", "berta"}
