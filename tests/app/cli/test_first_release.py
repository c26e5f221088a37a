"""Every command of the first release's README is still carried out at a running server: scripts go on working."""

import shlex
from pathlib import Path

import pytest

from tests.app.cli.test_main import run
from tests.browser.servers import running

COMMANDS = (Path(__file__).parents[2] / "commands_of_0.1.txt").read_text(encoding="utf-8").splitlines()
ELSEWHERE = ("serve", "train", "simulate", "model", "restore")  # start something of their own, and have tests of it
PASSWORD = ["--password", "a long enough one"]  # which a terminal would be asked for
# What the README's example needs and this new home does not have.
NOT_THERE = (
    *("there is no", "There is no", "nobody has judged", "nothing served before", "no pair with a winner"),
    *("no round waits", "cannot be read"),
)


def carried_out(home: Path, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What is wrong with how a command went, nothing if it did its work or has nothing to do it on."""
    words = shlex.split(line)
    asked = PASSWORD if words[:2] in (["user", "add"], ["user", "password"]) else []
    status = run(*words, *asked, "--home", home, monkeypatch=monkeypatch)
    error = capsys.readouterr().err
    refused = status == 2 and error.startswith("prefloop: ") and any(reason in error for reason in NOT_THERE)
    return "" if status == 0 or refused else f"{status}: {error}"


def test_the_commands_of_the_first_readme_work_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(tmp_path)
    lines = [line for line in COMMANDS if not line.startswith(ELSEWHERE) and "--push" not in line]
    with running(["app.cli", "serve", "--home", str(home), "--port", "0"], home):
        wrong = {line: carried_out(home, line, monkeypatch, capsys) for line in lines}
    assert {line: words for line, words in wrong.items() if words} == {}
    assert len(lines) > 50
