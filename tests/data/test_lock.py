import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import HomeError
from data.lock import HomeLock, Owner, owner_of

HOLDER = """
import sys, time
from pathlib import Path
from data.lock import HomeLock
lock = HomeLock(Path(sys.argv[1]), url="http://127.0.0.1:7860")
print("held", flush=True)
time.sleep(60)
"""


def hold_elsewhere(home: Path) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(home)], cwd=root, stdout=subprocess.PIPE, text=True)
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


def test_the_lock_goes_with_a_killed_process(tmp_path: Path) -> None:
    end(hold_elsewhere(tmp_path))
    assert owner_of(tmp_path) is None
    with HomeLock(tmp_path):
        assert owner_of(tmp_path) == Owner(os.getpid(), None)


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


def test_a_started_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    lock.release()
    assert owner_of(tmp_path) is None
    child.communicate(b"\n")


def test_a_home_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="choose another --home"):
        HomeLock(tmp_path / "file")


def test_nobody_owns_what_is_not_there(tmp_path: Path) -> None:
    assert owner_of(tmp_path / "missing") is None
