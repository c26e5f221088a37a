import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.home import Home, ServerCard
from data.db.lock import HomeLock
from data.errors import HomeError
from data.store import PreferenceStore


def test_the_card_of_a_server_is_read_back_and_private(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.publish(ServerCard("http://127.0.0.1:1", "secret"))

    assert home.card() == ServerCard("http://127.0.0.1:1", "secret")
    assert stat.S_IMODE((tmp_path / "server.json").stat().st_mode) == 0o600


def test_a_withdrawn_card_is_gone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.publish(ServerCard("http://127.0.0.1:1", "secret"))
    home.withdraw()

    assert home.card() is None


def test_a_home_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(HomeError, match="--home"):
        Home(tmp_path / "file" / "home").create()


def test_a_fresh_home_is_its_owners_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    with HomeLock(home.path), PreferenceStore.open(home.database):
        home.publish(ServerCard("http://127.0.0.1:1", "secret"))
        home.rounds.mkdir()
        (home.rounds / "pairs.jsonl").write_text("{}")
        assert modes(home.path) == {0o700, 0o600}
    assert home.tighten() is None


def test_after_a_home_is_let_go_files_are_made_as_before(tmp_path: Path) -> None:
    before = made_with(tmp_path / "before")
    with HomeLock(tmp_path / "home"):
        pass
    assert made_with(tmp_path / "after") == before


def test_an_old_home_is_closed_to_others_and_says_so_once(tmp_path: Path) -> None:
    home = old_home(tmp_path / "home")

    words = home.tighten()

    assert words == f"Other users of this machine could read {home.path}: 7 files and directories closed to them."
    assert modes(home.path / "adapters") | modes(home.path / "rounds") == {0o700, 0o600}
    assert stat.S_IMODE((home.path / "prefloop.toml").stat().st_mode) == 0o600
    assert home.tighten() is None


def test_what_else_lies_in_a_home_keeps_its_rights(tmp_path: Path) -> None:
    home = old_home(tmp_path / "home")
    (tmp_path / "shared").touch(mode=0o644)
    (home.adapters / "link").symlink_to(tmp_path / "shared")
    (home.path / "mine.txt").touch()
    (home.path / "mine.txt").chmod(0o644)

    home.tighten()

    assert stat.S_IMODE((home.path / "mine.txt").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o644


def test_files_that_cannot_be_closed_are_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = old_home(tmp_path / "home")

    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "chmod", refuse)
    words = str(home.tighten())

    assert f"can read {home.path}, which" in words
    assert f"chmod -R go-rwx {home.path}" in words


def test_somebody_elses_home_is_told_as_that(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.publish(ServerCard("http://127.0.0.1:1", "secret"))

    with without_rights(home.path), pytest.raises(HomeError, match="belongs to another user"):
        home.card()


def old_home(path: Path) -> Home:
    """A home as an older prefloop left it: everybody can read it."""
    home = Home(path)
    for directory in (home.path, home.adapters, home.rounds, home.rounds / "000001"):
        directory.mkdir()
        directory.chmod(0o755)
    for file in (home.database, home.path / "prefloop.toml", home.rounds / "000001" / "pairs.jsonl"):
        file.touch()
        file.chmod(0o644)
    return home


def modes(path: Path) -> set[int]:
    return {stat.S_IMODE(one.lstat().st_mode) for one in (path, *path.rglob("*"))}


def made_with(path: Path) -> int:
    path.touch()
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def without_rights(directory: Path) -> Iterator[None]:
    """As somebody who may not look into a directory: root may look into all, and so becomes nobody."""
    directory.chmod(0o000)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        directory.chmod(0o700)
