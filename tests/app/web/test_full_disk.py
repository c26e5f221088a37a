"""A home on a disk of 40 MB that fills up while people judge, a round trains, a dataset goes out or comes in.

Whoever is refused is told why, nothing that was acknowledged is lost, and all goes on once there is room again.
"""

import json
import multiprocessing
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.client.client import Client
from app.home import Home
from data.errors import PrefloopError
from data.store import PreferenceStore
from tests.app.web.test_kill_server import started
from trainer.interface.round_dir import RoundDir

SIZE = "40m"
PATIENCE_SECONDS = 300
ROWS = 400
FULL = "The disk is full: "
SETTINGS = """
buffer = 4
[training]
rank = 4
epochs = 30
checkpoint_every = 1
"""


@dataclass
class Disk:
    """A small disk, and what fills it."""

    path: Path

    def fill(self, *, leave: int = 0) -> None:
        """Leave so many bytes and no more."""
        descriptor = os.open(self.path / "ballast", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        try:
            while True:
                os.write(descriptor, bytes(4096))
        except OSError:
            os.ftruncate(descriptor, max(0, os.fstat(descriptor).st_size - leave))
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Make room."""
        (self.path / "ballast").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk can only be mounted by root")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def eventually(found: Callable[[], Any]) -> Any:
    """What is found, as soon as it is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not after {PATIENCE_SECONDS} s")


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(PrefloopError) as raised:
        act()
    return str(raised.value)


def judge(person: Client, count: int) -> list[int]:
    """Judge so many pairs; the ids that were acknowledged."""
    acknowledged: list[int] = []
    while len(acknowledged) < count:
        pair = person.post("/next")
        if pair["lease"] is not None:
            body = {"lease": pair["lease"], "key": secrets.token_hex(8), "choice": "ab"[len(acknowledged) % 2]}
            acknowledged.append(person.post("/judgments", **body)["id"])
        else:
            time.sleep(0.05)
    return acknowledged


def ended(owner: Client, job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = eventually(
        lambda: now if (now := owner.get(f"/errands/{job['id']}"))["state"] not in ("waiting", "running") else None
    )
    return found


def round_that(owner: Client, number: int, *states: str) -> dict[str, Any]:
    found: dict[str, Any] = eventually(
        lambda: now if (now := owner.get(f"/rounds/{number}"))["state"] in states else None
    )
    return found


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_disk_that_is_full_and_freed_in_each_phase_loses_nothing(disk: Disk, tmp_path: Path) -> None:
    home = Home(disk.path / "home")
    home.create()
    (home.path / "prefloop.toml").write_text(SETTINGS)
    servers = multiprocessing.get_context("forkserver")
    servers.set_forkserver_preload(["app.web.server"])
    process, owner = started(servers, home)
    try:
        with owner, Client(owner.url) as person:
            owner.post("/users", login="anna", password="correct horse")
            person.sign_in("anna", "correct horse")
            acknowledged = judging(disk, owner, person)
            training(disk, home, owner)
            exporting(disk, owner)
            importing(disk, owner, tmp_path)
            acknowledged += judge(person, 3)
    finally:
        process.terminate()
        process.join()
    with PreferenceStore.open(home.database) as store:
        assert store.check() == []
        kept = {one.id for one in store.judgments.history(store.people.by_login("anna").id, 1000)}
    assert set(acknowledged) <= kept


def judging(disk: Disk, owner: Client, person: Client) -> list[int]:
    """Nobody is told that the model cannot answer, at sign-in neither; the same press is taken later."""
    acknowledged = judge(person, 20)
    pair = eventually(lambda: now if (now := person.post("/next"))["lease"] else None)
    body = {"lease": pair["lease"], "key": secrets.token_hex(8), "choice": "a"}
    disk.fill()
    with Client(owner.url) as somebody:
        said = [
            refusal(lambda: person.post("/judgments", **body)),
            refusal(lambda: somebody.sign_in("anna", "correct horse")),
        ]
    assert [words.partition(":")[0] for words in said] == ["The server's disk is full"] * 2
    assert refusal(lambda: owner.post("/users", login="b", password="correct horse")).startswith(FULL)
    assert person.get("/session")["judgments"] == len(acknowledged)
    assert "MB of disk" in refusal(lambda: owner.post("/rounds"))
    disk.free()
    return [*acknowledged, person.post("/judgments", **body)["id"]]


def training(disk: Disk, home: Home, owner: Client) -> None:
    """The round fails with the reason, as soon as there is room to keep that, and goes on from its checkpoint."""
    number = owner.post("/rounds")["id"]
    directory = home.rounds / f"{number:06d}"
    eventually(lambda: (directory / "checkpoint.pt").exists() or owner.get(f"/rounds/{number}")["state"] == "failed")
    assert (directory / "checkpoint.pt").exists(), owner.get(f"/rounds/{number}")["reason"]
    disk.fill()
    eventually(lambda: not RoundDir(directory).taken())
    disk.free()
    assert round_that(owner, number, "failed")["reason"].startswith(FULL)
    owner.post(f"/rounds/{number}/resume")
    assert round_that(owner, number, "failed", "promoted", "refused", "waiting")["state"] != "failed"


def exporting(disk: Disk, owner: Client) -> None:
    """No half file is left, and the same order is met once there is room."""
    disk.fill()
    assert refusal(lambda: owner.post("/exports", format="trl")).startswith(FULL)
    assert refusal(lambda: owner.text("/export")).startswith(FULL)
    disk.free()
    assert ended(owner, owner.post("/exports", format="trl"))["state"] == "done"
    assert owner.text("/export").splitlines()


def importing(disk: Disk, owner: Client, tmp_path: Path) -> None:
    """A file that finds no room to lie in, or to be kept, is told as that; asked for again, all of it comes in."""
    file = tmp_path / "pairs.jsonl"
    rows = ({"prompt": f"q {n}?", "chosen": f"yes {n} " * 200, "rejected": "no"} for n in range(ROWS))
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def look() -> str:
        return str(owner.upload("/imports/look", file, name=file.name, kind="preferences")["upload"])

    disk.fill()
    assert refusal(look).startswith(FULL)
    disk.free()
    token = look()
    disk.fill(leave=300_000)
    job = ended(owner, owner.post("/imports", upload=token))
    assert (job["state"], job["reason"]["words"][: len(FULL)]) == ("failed", FULL)
    disk.free()
    assert ended(owner, owner.post("/imports", upload=look()))["state"] == "done"
    [entry] = owner.get("/imports")
    assert (entry["state"], entry["counts"]["added"]) == ("done", ROWS)
