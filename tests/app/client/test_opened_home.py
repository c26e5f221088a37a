from pathlib import Path

import pytest

from app.client.opened_home import opened_home
from app.home import Home
from data.db.lock import HomeLock
from data.errors import HomeError, InputError


def test_a_home_that_is_not_there_is_made_only_if_it_shall_be(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with pytest.raises(HomeError, match="there is no prefloop home in"), opened_home(home):
        pass
    assert not home.path.exists()
    with opened_home(home, make=True) as opened:
        assert opened.store.people.all() == []
    assert home.database.exists()


def test_a_home_that_another_has_open_stays_closed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with HomeLock(home.path, url="http://127.0.0.1:1"), pytest.raises(HomeError), opened_home(home, make=True):
        pass


def test_settings_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "prefloop.toml").write_text("prot = 1")
    with pytest.raises(InputError, match="unknown key prot"), opened_home(Home(tmp_path), make=True):
        pass
