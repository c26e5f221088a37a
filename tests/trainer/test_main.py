"""`python -m trainer DIR` as a process: killed, stopped, started twice; and its answers in words."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.scene import freeze
from trainer.__main__ import main
from trainer.interface.adapter_files import WEIGHTS, directory_sha256
from trainer.interface.config import DPOConfig, KTOConfig, PPOConfig, RewardConfig, TrainingConfig
from trainer.interface.round_dir import RoundDir
from trainer.model.base import Base
from trainer.round import run_round

ROOT = Path(__file__).parents[2]
PATIENCE = 90  # seconds on a busy machine; a start takes five to fifteen
LONG = DPOConfig(epochs=20, batch_size=4, rank=4, alpha=8, checkpoint_every=5, learning_rate=1e-2)
STEPS = 60
SHORT: dict[str, Any] = {"rank": 4, "alpha": 8, "learning_rate": 1e-2, "checkpoint_every": 3}
OTHERS: dict[str, TrainingConfig] = {
    "kto": KTOConfig(algorithm="kto", epochs=6, batch_size=4, **SHORT),
    "ppo": PPOConfig(
        algorithm="ppo",
        epochs=4,
        rollouts=8,
        batch_size=4,
        ppo_epochs=2,
        reward=RewardConfig(epochs=10, batch_size=4, **SHORT),
        **SHORT,
    ),
}


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """main takes over SIGTERM and SIGINT; give them back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def frozen(tmp_path: Path, base: Base) -> RoundDir:
    return freeze(tmp_path / "round", base, config=LONG)


@pytest.fixture
def short(tmp_path: Path, base: Base) -> RoundDir:
    return freeze(tmp_path / "short", base, config=DPOConfig(epochs=1, rank=2, alpha=4))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, loaded: Base) -> RoundDir:
    """The long round, never interrupted."""
    directory = freeze(tmp_path_factory.mktemp("rounds") / "whole", loaded, config=LONG)
    run_round(directory, lambda: False)
    return directory


@contextmanager
def trainer(directory: RoundDir) -> Iterator[subprocess.Popen[bytes]]:
    """The real process; it does not outlive the test."""
    command = [sys.executable, "-m", "trainer", str(directory.path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(what: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert process.poll() is None, f"ended with {process.returncode}"
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


def kill_after(directory: RoundDir, what: Callable[[], bool]) -> None:
    """Start a trainer and kill it once something is so."""
    with trainer(directory) as process:
        wait_until(what, process)
        process.kill()
        assert process.wait(PATIENCE) == -signal.SIGKILL


@contextmanager
def lock_of(directory: RoundDir) -> Iterator[Callable[[], None]]:
    """Be the first trainer of a round; gives a way to let go before the end."""
    with (directory.path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lambda: fcntl.flock(lock, fcntl.LOCK_UN)


def waits(directory: RoundDir, process: subprocess.Popen[bytes]) -> Callable[[], bool]:
    """Whether the process has opened the lock file."""
    lock = str(directory.path / ".lock")

    def opened() -> bool:
        with suppress(FileNotFoundError):  # it closes files while we look
            return any(str(fd.readlink()) == lock for fd in Path(f"/proc/{process.pid}/fd").iterdir())
        return False

    return opened


def contents(directory: RoundDir) -> dict[Path, tuple[int, bytes]]:
    files = [path for path in directory.path.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def steps(directory: RoundDir) -> list[float]:
    return [line["step"] for line in directory.metrics()]


class TestInterrupted:
    @pytest.mark.slow
    def test_kto_goes_on_to_the_same_bits(self, tmp_path: Path, base: Base) -> None:
        killed, spared = (freeze(tmp_path / name, base, config=OTHERS["kto"]) for name in ("killed", "spared"))
        run_round(spared, lambda: False, base=base)
        kill_after(killed, lambda: len(killed.metrics()) >= 9)
        assert killed.manifest() is None and killed.checkpoint.exists()
        with trainer(killed) as process:
            assert process.wait(PATIENCE) == 0
        assert (killed.adapter / WEIGHTS).read_bytes() == (spared.adapter / WEIGHTS).read_bytes()
        assert [m["loss"] for m in killed.metrics()] == [m["loss"] for m in spared.metrics()]

    @pytest.mark.slow
    def test_ppo_killed_in_its_reward_model_and_again_in_its_policy_too(self, tmp_path: Path, base: Base) -> None:
        killed, spared = (freeze(tmp_path / name, base, config=OTHERS["ppo"]) for name in ("killed", "spared"))
        run_round(spared, lambda: False, base=base)
        inside = RoundDir(killed.path / "reward")
        kill_after(killed, lambda: inside.path.exists() and len(inside.metrics()) >= 7)
        assert inside.checkpoint.exists() and not killed.checkpoint.exists()
        kill_after(killed, lambda: len(killed.metrics()) >= 9)
        assert killed.checkpoint.exists() and killed.manifest() is None
        with trainer(killed) as process:
            assert process.wait(PATIENCE) == 0
        for part in ("adapter", "reward/adapter"):
            assert (killed.path / part / WEIGHTS).read_bytes() == (spared.path / part / WEIGHTS).read_bytes()
        assert [m["loss"] for m in killed.metrics()] == [m["loss"] for m in spared.metrics()]

    def test_killed_and_started_again_it_ends_with_the_same_bits(self, frozen: RoundDir, whole: RoundDir) -> None:
        kill_after(frozen, lambda: len(frozen.metrics()) >= 13)
        assert frozen.manifest() is None
        kept = torch.load(frozen.checkpoint, weights_only=True)["step"]
        assert 10 <= kept < STEPS
        with trainer(frozen) as process:
            assert process.wait(PATIENCE) == 0
        assert steps(frozen) == list(range(1, STEPS + 1))
        assert (frozen.adapter / WEIGHTS).read_bytes() == (whole.adapter / WEIGHTS).read_bytes()
        ours, theirs = frozen.manifest(), whole.manifest()
        assert ours is not None and theirs is not None
        assert ours.adapter_sha256 == theirs.adapter_sha256 == directory_sha256(frozen.adapter)
        assert ours.canary == theirs.canary

    def test_sigterm_leaves_a_checkpoint_and_143(self, frozen: RoundDir) -> None:
        with trainer(frozen) as process:
            wait_until(lambda: len(frozen.metrics()) >= 3, process)
            process.terminate()
            _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 143
        assert b"starting again goes on from there" in said
        assert torch.load(frozen.checkpoint, weights_only=True)["step"] == len(frozen.metrics()) < STEPS
        assert frozen.manifest() is None and frozen.failure() is None


class TestTwoTrainers:
    def test_the_second_waits_for_the_first_and_then_does_nothing(self, short: RoundDir) -> None:
        with lock_of(short) as let_go, trainer(short) as second:
            wait_until(waits(short, second), second)
            assert short.progress() is None
            run_round(short, lambda: False)
            before = contents(short)
            assert second.poll() is None
            let_go()
            assert second.wait(PATIENCE) == 0
        assert contents(short) == before

    @pytest.mark.timeout(60)
    def test_a_waiting_trainer_can_be_stopped(self, short: RoundDir) -> None:
        with lock_of(short):
            terminate = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
            terminate.start()
            assert main([str(short.path)]) == 143
            terminate.join()
        assert short.progress() is None

    def test_a_finished_round_is_not_trained_again(self, short: RoundDir) -> None:
        assert main([str(short.path)]) == 0
        before = contents(short)
        assert main([str(short.path)]) == 0
        assert contents(short) == before

    def test_what_it_writes_is_its_owners_alone(self, short: RoundDir) -> None:
        assert main([str(short.path)]) == 0
        assert [path for path in (short.adapter, *short.adapter.iterdir()) if path.stat().st_mode & 0o077] == []


class TestFailure:
    def test_a_refused_round_says_why_and_has_no_manifest(
        self, short: RoundDir, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with (short.path / "pairs.jsonl").open("a") as stream:
            stream.write("{}\n")
        assert main([str(short.path)]) == 1
        reason = short.failure()
        assert reason is not None and "config or pairs were changed" in reason
        assert reason in capsys.readouterr().err
        assert short.manifest() is None

    def test_a_full_disk_has_a_status_of_its_own(self, short: RoundDir, monkeypatch: pytest.MonkeyPatch) -> None:
        def burst(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("trainer.process.run_round", burst)
        assert main([str(short.path)]) == 74
        assert str(short.failure()).startswith("The disk is full: ")

    def test_an_unforeseen_error_is_written_down_and_not_swallowed(
        self, short: RoundDir, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def burst(*_: object, **__: object) -> None:
            raise MemoryError("out of it")

        monkeypatch.setattr("trainer.process.run_round", burst)
        with pytest.raises(MemoryError):
            main([str(short.path)])
        assert short.failure() == "unexpected: MemoryError('out of it')"
        assert short.manifest() is None

    def test_a_failure_is_forgotten_when_the_next_try_ends_well(self, short: RoundDir) -> None:
        short.set_failure("the disk was full")
        assert main([str(short.path)]) == 0
        assert short.failure() is None
        assert short.manifest() is not None

    @pytest.mark.parametrize("arguments", [[], ["/nowhere"], ["a", "b"]])
    def test_without_a_round_directory_it_tells_how_it_is_used(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(arguments) == 2
        assert capsys.readouterr().err == "usage: python -m trainer ROUND_DIR\n"


def test_a_training_process_imports_neither_tables_nor_pages() -> None:
    code = """
import sys, trainer.process
print(sorted({"pandas", "statsmodels", "gradio", "fastapi", "datasets"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[-2] == "[]"
