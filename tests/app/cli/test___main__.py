import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from app.cli.__main__ import main

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_script_is_this_one() -> None:
    assert PROJECT["scripts"]["prefloop"] == f"{main.__module__}:{main.__name__}"


def test_windows_is_pointed_to_wsl_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SystemExit) as end:
        main()

    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "WSL" in line


def test_on_windows_nothing_is_imported_that_it_does_not_have() -> None:
    script = (
        "import sys; sys.platform = 'win32'; sys.modules['fcntl'] = sys.modules['resource'] = None\n"
        "from app.cli.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


def test_the_version_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["prefloop", "--version"])
    with pytest.raises(SystemExit) as end:
        main()

    assert end.value.code == 0
    assert capsys.readouterr().out == f"prefloop {PROJECT['version']}\n"
