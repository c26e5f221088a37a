"""Servers of their own process for browser tests, known by the line with the sign-in link."""

import multiprocessing
import os
import re
import runpy
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TextIO

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
def running(arguments: Sequence[str], home: Path) -> Iterator[Server]:
    """Do `python -m ARGUMENTS`, wait for its link, stop it at the end. Raises AssertionError with what it said.

    It is forked from a process that has imported torch and gradio, which takes longer than most tests.
    """
    servers = multiprocessing.get_context("forkserver")
    servers.set_forkserver_preload(["app.web.server"])
    reader, writer = servers.Pipe(duplex=False)
    log = home / "server.log"
    process = servers.Process(target=_run, args=(arguments, writer, log))
    process.start()
    writer.close()
    watchdog = threading.Timer(_START_SECONDS, process.kill)
    watchdog.start()
    try:
        with os.fdopen(os.dup(reader.fileno())) as said:
            link = _link(said, log)
            watchdog.cancel()
            yield Server(link, home)
            process.terminate()
            process.join(20)
    finally:
        watchdog.cancel()
        process.kill()
        process.join()
        reader.close()


def _run(arguments: Sequence[str], out: Connection, log: Path) -> None:
    """What the forked process does: its output goes to whoever waits for the link, its errors into the log."""
    with log.open("w") as errors:
        os.dup2(errors.fileno(), 2)
    os.dup2(out.fileno(), 1)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    sys.argv = list(arguments)
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def _link(said: TextIO, log: Path) -> str:
    heard = ""
    for line in said:
        heard += line
        if found := _LINK.search(line):
            threading.Thread(target=said.read, daemon=True).start()  # or a full pipe would stop it
            return found[0]
    raise AssertionError(f"the server ended before it was ready:\n{heard}\n{log.read_text()}")
