"""What was acknowledged is there, whenever the process is killed; and the check can tell."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.store import PreferenceStore
from tests.data.scene import raw

ROOT = Path(__file__).parents[2]


def acknowledged_until_killed(path: Path, run: int, mode: str, rng: random.Random) -> set[str]:
    """Let a child judge for a random time from its first word on, kill it, and collect what it said."""
    command = [sys.executable, "-m", "tests.data.kill9_child", str(path), str(run), mode]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        heard = child.stdout.readline()
        # The pipe holds some thousand lines, more than are said in this time.
        time.sleep(rng.expovariate(1 / 0.15))
        os.kill(child.pid, signal.SIGKILL)
        heard += child.stdout.read()
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
@pytest.mark.timeout(1800)
def test_two_hundred_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    said, kept = kill_often(tmp_path / "p.db", 200, "after")
    assert len(said) >= 200
    assert said - kept == set()


def test_a_program_that_acknowledges_before_the_commit_is_caught(tmp_path: Path) -> None:
    said, kept = kill_often(tmp_path / "p.db", 6, "before")
    assert said - kept != set()
