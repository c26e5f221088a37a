import stat
from pathlib import Path

import pytest

from app.home import Home, ServerCard
from data.errors import HomeError


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
