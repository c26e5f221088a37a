"""Servers of their own process for browser tests, known by the line with the sign-in link."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"http://\S+/auth/link\?token=\S+")
_START_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. link signs its admin in, once."""

    link: str
    home: Path

    @property
    def url(self) -> str:
        return self.link.partition("/auth/")[0]


@contextmanager
def running(arguments: list[str], home: Path) -> Iterator[Server]:
    """Start `python ARGUMENTS`, wait for its link, stop it at the end. Raises AssertionError with what it said."""
    command = [sys.executable, "-u", *arguments]
    with (
        (home / "server.log").open("w") as log,
        subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        watchdog = threading.Timer(_START_SECONDS, process.kill)
        watchdog.start()
        try:
            link = _link(process, home)
            watchdog.cancel()
            yield Server(link, home)
        finally:
            watchdog.cancel()
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _link(process: subprocess.Popen[str], home: Path) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if found := _LINK.search(line):
            threading.Thread(target=process.stdout.read, daemon=True).start()  # or a full pipe would stop it
            return found[0]
    raise AssertionError(f"the server ended before it was ready:\n{said}\n{(home / 'server.log').read_text()}")
