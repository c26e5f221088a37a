"""What was acknowledged is there, whenever the process is killed; and the check can tell."""

import multiprocessing
import os
import random
import time
from pathlib import Path

import pytest

from data.store import PreferenceStore
from tests.data.db.kill9_child import judge
from tests.data.scene import raw

SERVERS = multiprocessing.get_context("forkserver")
SERVERS.set_forkserver_preload(["tests.data.db.kill9_child"])
"""What a child imports is imported once, not for each kill."""


def acknowledged_until_killed(path: Path, run: int, mode: str, rng: random.Random) -> set[str]:
    """Let a child judge for a random time from its first word on, kill it, and collect what it said."""
    reader, writer = SERVERS.Pipe(duplex=False)
    child = SERVERS.Process(target=judge, args=(path, run, mode, writer))
    child.start()
    writer.close()
    with os.fdopen(os.dup(reader.fileno()), "rb") as said:
        heard = said.readline()
        # The pipe holds some thousand lines, more than are said in this time.
        time.sleep(rng.expovariate(1 / 0.15))
        child.kill()
        heard += said.read()
    reader.close()
    child.join()
    return {line.decode() for line in heard.split(b"\n")[:-1]}


def kill_often(path: Path, kills: int, mode: str) -> tuple[set[str], set[str]]:
    """(what was acknowledged, what is in the database at the end)."""
    rng = random.Random(0)
    said: set[str] = set()
    for run in range(kills):
        said |= acknowledged_until_killed(path, run, mode, rng)
    with PreferenceStore.open(path) as store:
        assert store.check() == []
    with raw(path) as connection:
        return said, {key for (key,) in connection.execute("select idempotency_key from judgment")}


def test_ten_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    said, kept = kill_often(tmp_path / "p.db", 10, "after")
    assert len(said) >= 10
    assert said - kept == set()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    said, kept = kill_often(tmp_path / "p.db", 1_000, "after")
    assert len(said) >= 1_000
    assert said - kept == set()


def test_a_program_that_acknowledges_before_the_commit_is_caught(tmp_path: Path) -> None:
    said, kept = kill_often(tmp_path / "p.db", 6, "before")
    assert said - kept != set()
