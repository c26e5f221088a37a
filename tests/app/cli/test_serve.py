"""What is wrong with a start is told before the model's libraries are imported, which takes many seconds."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from data.db.lock import HomeLock

_SERVE = """
import sys
from app.cli.__main__ import main
try:
    main()
finally:
    heavy = {"torch", "transformers", "gradio", "pandas"} & set(sys.modules)
    print("imported:", *sorted(heavy))
"""


def refused(home: Path, *arguments: object) -> str:
    """What `prefloop serve` says of why it does not start; it has imported nothing heavy by then."""
    command = [sys.executable, "-c", _SERVE, "serve", "--home", str(home), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "imported:\n"), done.stderr
    return done.stderr


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "cannot be used" in refused(tmp_path, "--port", taken.getsockname()[1])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("prot = 1", "unknown key prot"),
        ("[training]\nepochs = -1", "epochs"),
        ("[rounds]\ncron = 'x'", "cron"),
        ("prompts = 'no.txt'", "prompts: no.txt cannot be read: No such file"),
        ("probes = 'no.txt'", "probes: no.txt cannot be read: No such file"),
        ("tls_cert = 'no.pem'", "no.pem cannot be read: No such file"),
    ],
)
def test_a_bad_setting(tmp_path: Path, written: str, said: str) -> None:
    (tmp_path / "prefloop.toml").write_text(f"{written}\n" if written.startswith("[") else f"{written}\nport = 0\n")
    assert said in refused(tmp_path)


def test_a_home_that_another_server_owns(tmp_path: Path) -> None:
    with HomeLock(tmp_path, url="http://127.0.0.1:1234"):
        assert "http://127.0.0.1:1234" in refused(tmp_path, "--port", 0)
