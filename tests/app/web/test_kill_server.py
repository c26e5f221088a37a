"""kill -9 of the real server while people judge: every judgment it acknowledged is there."""

import asyncio
import multiprocessing
import random
import secrets
import threading
import time
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from app.client.client import Client, running_server
from app.home import Home
from app.settings.settings import load_settings
from app.web.listening import claimed
from app.web.server import serve
from data.errors import PrefloopError
from data.store import PreferenceStore

_PATIENCE_SECONDS = 90
_PEOPLE = 3


def serve_quietly(path: Path) -> None:
    """A server as `prefloop serve` runs it, in a process of its own."""
    home, settings = Home(path), load_settings(path, port=0)
    with claimed(home, settings) as at:
        asyncio.run(serve(home, settings, at, lambda _: None))


def started(servers: ForkServerContext, home: Home) -> tuple[ForkServerProcess, Client]:
    """A server on a home, as its owner."""
    process = servers.Process(target=serve_quietly, args=(home.path,))
    process.start()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and process.is_alive():
        remote = running_server(home)
        if remote is not None:
            return process, remote
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"no server after {_PATIENCE_SECONDS} s")


def judge_until_it_dies(url: str, login: str, password: str, acknowledged: list[int]) -> None:
    """Judge as fast as pairs come; note the id of every judgment that was answered."""
    try:
        with Client(url) as remote:
            remote.sign_in(login, password)
            while True:
                pair = remote.post("/next")
                if pair["lease"] is None:
                    time.sleep(0.02)
                    continue
                body = {"lease": pair["lease"], "key": secrets.token_hex(8), "choice": random.choice("ab")}
                acknowledged.append(remote.post("/judgments", **body)["id"])
    except PrefloopError as error:
        assert "does not answer" in str(error), error


def wait_for(count: int, acknowledged: list[int]) -> None:
    """Wait until so many judgments are acknowledged: people are in the midst of it, however slow the machine."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while len(acknowledged) < count:
        assert time.monotonic() < deadline, f"{len(acknowledged)} of {count} judgments after {_PATIENCE_SECONDS} s"
        time.sleep(0.01)


def kill_again_and_again(path: Path, kills: int) -> None:
    """Serve, judge, kill; at the end compare what was acknowledged with what is there."""
    home = Home(path)
    home.create()
    servers = multiprocessing.get_context("forkserver")
    servers.set_forkserver_preload(["app.web.server"])  # torch and gradio are imported once, not for each kill
    people = [(f"ann-{n}", secrets.token_hex(8)) for n in range(_PEOPLE)]
    acknowledged: list[int] = []
    for kill in range(kills):
        process, owner = started(servers, home)
        with owner:
            if kill == 0:
                for login, password in people:
                    owner.post("/users", login=login, password=password)
        threads = [
            threading.Thread(target=judge_until_it_dies, args=(owner.url, *person, acknowledged)) for person in people
        ]
        for thread in threads:
            thread.start()
        wait_for(len(acknowledged) + _PEOPLE, acknowledged)
        time.sleep(random.uniform(0, 0.5))
        process.kill()
        process.join()
        for thread in threads:
            thread.join()
    with PreferenceStore.open(home.database) as store:
        everyone = [store.people.by_login(login).id for login, _ in people]
        kept = {row.id for person in everyone for row in store.judgments.history(person, 1_000_000)}
        assert store.check() == []
    assert len(acknowledged) >= kills * _PEOPLE
    assert set(acknowledged) <= kept


@pytest.mark.timeout(900)
def test_two_kills_lose_no_acknowledged_judgment(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path / "home", 2)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_kills_lose_no_acknowledged_judgment(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path / "home", 200)
