import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data.db.lock import HomeLock, Owner, owner_of
from data.errors import HomeError

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from data.db.lock import HomeLock
lock = HomeLock(Path(sys.argv[1]), url="http://127.0.0.1:7860")
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=0, stdout=2, close_fds=False)
print("held", flush=True)
time.sleep(60)
"""


def hold_elsewhere(home: Path) -> subprocess.Popen[str]:
    """A process that holds the home and has a child, which ends with our end of its standard input."""
    command, root = [sys.executable, "-c", HOLDER, str(home)], Path(__file__).parents[3]
    process = subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_one_process_owns_a_home_and_others_learn_who(tmp_path: Path) -> None:
    process = hold_elsewhere(tmp_path)
    try:
        assert owner_of(tmp_path) == Owner(process.pid, "http://127.0.0.1:7860")
        with pytest.raises(HomeError, match=rf"process {process.pid}, which serves http://127.0.0.1:7860"):
            HomeLock(tmp_path)
    finally:
        end(process)


def test_the_lock_goes_with_a_killed_process_though_its_child_lives(tmp_path: Path) -> None:
    process = hold_elsewhere(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert owner_of(tmp_path) is None
    with HomeLock(tmp_path):
        assert owner_of(tmp_path) == Owner(os.getpid(), None)
    end(process)


def test_release_lets_the_next_in(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path)
    lock.release()
    lock.release()
    assert owner_of(tmp_path) is None
    HomeLock(tmp_path).release()


def test_a_refused_process_does_not_disturb_the_owner(tmp_path: Path) -> None:
    with HomeLock(tmp_path, url="http://here"):
        with pytest.raises(HomeError, match="in use"):
            HomeLock(tmp_path, url="http://there")
        assert owner_of(tmp_path) == Owner(os.getpid(), "http://here")


def test_the_address_can_be_told_later_and_may_be_shorter(tmp_path: Path) -> None:
    with HomeLock(tmp_path, url="http://a-long-name.example:7860/") as lock:
        lock.announce("http://b")
        assert owner_of(tmp_path) == Owner(os.getpid(), "http://b")


def test_release_holds_though_a_child_is_just_being_started(tmp_path: Path) -> None:
    for _ in range(5):
        lock = HomeLock(tmp_path)
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as child:
            lock.release()
            owner = owner_of(tmp_path)
            child.communicate(b"\n")
        assert owner is None


def test_a_home_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="choose another --home"):
        HomeLock(tmp_path / "file")


def test_nobody_owns_what_is_not_there(tmp_path: Path) -> None:
    assert owner_of(tmp_path / "missing") is None
