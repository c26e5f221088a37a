import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.test_cli import run
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
    assert waits == "Rounds start by hand."
    assert run("round", "preview", "--json", "--home", server.home, monkeypatch=monkeypatch) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["train"], found["heldout"], found["both_bad"], found["excluded"]) == (0, 0, 0, {})
    assert found["rules"] == {"since_last": False, "replay": 0.0, "agreement": 0.0, "least_strength": 1.0}
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
        (("trial",), "null"),
        (("ladder",), "base: "),
    ],
)
def test_how_a_server_stands_is_told_in_words_and_as_json(
    server: Server, monkeypatch: Patch, capsys: Out, command: tuple[str, ...], words: str
) -> None:
    assert run(*command, "--home", server.home, monkeypatch=monkeypatch) == 0
    assert words in capsys.readouterr().out
    assert run(*command, "--json", "--home", server.home, monkeypatch=monkeypatch) == 0
    json.loads(capsys.readouterr().out)


def test_the_base_goes_on_no_trial(server: Server, monkeypatch: Patch, capsys: Out) -> None:
    assert run("adapter", "try", "base", "--home", server.home, monkeypatch=monkeypatch) == 2
    assert "base serves" in capsys.readouterr().err
