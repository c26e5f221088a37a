import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from app.cli import main as cli
from data.db.lock import HomeLock
from data.store import PreferenceStore
from tests.app.rounds.test_runner import judge


def run(*arguments: object, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit status of `prefloop ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["prefloop", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_a_taken_port_is_named(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run("serve", "--home", home, "--port", port, monkeypatch=monkeypatch) == 2

    error = capsys.readouterr().err
    assert f"port {port}" in error
    assert "--port" in error
    assert not home.exists()


def test_a_home_that_is_owned_names_its_owner(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with HomeLock(home, url="http://127.0.0.1:1234"):
        assert run("serve", "--home", home, "--port", 0, monkeypatch=monkeypatch) == 2

    assert "http://127.0.0.1:1234" in capsys.readouterr().err


def test_an_unknown_key_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "prefloop.toml").write_text("prot = 1")
    assert run("serve", "--home", home, monkeypatch=monkeypatch) == 2

    assert "unknown key prot" in capsys.readouterr().err


def test_a_model_directory_without_a_config_is_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model").mkdir()
    assert run("serve", "--home", home, "--port", 0, "--model", tmp_path / "model", monkeypatch=monkeypatch) == 2

    assert "no config.json" in capsys.readouterr().err


def test_an_unreadable_database_is_named_and_left_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "prefloop.db").write_bytes(b"not a database" * 100)
    assert run("serve", "--home", home, "--port", 0, monkeypatch=monkeypatch) == 2

    assert str(home / "prefloop.db") in capsys.readouterr().err
    assert (home / "prefloop.db").read_bytes() == b"not a database" * 100


def test_an_old_home_that_others_can_read_is_closed_and_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    home.chmod(0o755)
    (home / "prefloop.db").write_bytes(b"not a database" * 100)
    assert run("serve", "--home", home, "--port", 0, monkeypatch=monkeypatch) == 2

    assert f"Other users of this machine could read {home}" in capsys.readouterr().out
    assert home.stat().st_mode & 0o777 == 0o700


def test_a_home_of_another_model_is_refused_naming_both(
    home: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    with PreferenceStore.open(home / "prefloop.db") as store:
        store.versions.ensure_base("another/model", "1")
    assert run("serve", "--home", home, "--port", 0, "--model", model, monkeypatch=monkeypatch) == 2

    error = capsys.readouterr().err
    assert "another/model" in error
    assert str(model) in error


def test_an_export_of_no_home_says_so(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export", "--home", home, "--out", tmp_path / "x.jsonl", monkeypatch=monkeypatch) == 2

    assert "no prefloop home" in capsys.readouterr().err
    assert not (tmp_path / "x.jsonl").exists()


def test_an_account_is_made_without_a_server(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("user", "add", "ann", "--home", home, "--password", "correct horse")
    assert run(*arguments, monkeypatch=monkeypatch) == 0
    assert run(*arguments, monkeypatch=monkeypatch) == 2

    assert "ann" in capsys.readouterr().err
    with PreferenceStore.open(home / "prefloop.db") as store:
        assert store.people.by_login("ann").role == "annotator"


def test_an_export_has_a_line_for_every_decided_pair(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    with PreferenceStore.open(home / "prefloop.db") as store:
        store.versions.ensure_base("random", "0")
        judge(store, 3)
    assert run("export", "--format", "trl", "--home", home, "--out", tmp_path / "x.jsonl", monkeypatch=monkeypatch) == 0

    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [row["chosen"] for row in rows] == [[{"role": "assistant", "content": "good"}]] * 3
    assert "pairs to train on" in capsys.readouterr().out


WITHOUT_JSON = {
    "serve": "runs until it is stopped, and has nothing to answer",
    "train": "shows a bar as it goes; what came of it is manifest.json in the directory that it writes",
}


def options(command: object, words: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    """Every command of the tree with the options it takes."""
    children: dict[str, object] = getattr(command, "commands", {})
    for name, child in children.items():
        yield from options(child, (*words, name))
    if not children:
        yield " ".join(words), {option for one in getattr(command, "params", []) for option in one.opts}


def test_every_command_answers_programs_too() -> None:
    found = dict(options(typer.main.get_command(cli.app)))
    assert {name for name, taken in found.items() if "--json" not in taken} == WITHOUT_JSON.keys()


def test_every_command_can_be_told_its_home_but_those_on_models() -> None:
    found = dict(options(typer.main.get_command(cli.app)))
    assert {name for name, taken in found.items() if "--home" not in taken and not name.startswith("model ")} == {
        "train"
    }
