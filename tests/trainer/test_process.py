"""A trainer as a process: what its directory says after it ended, however it ended."""

import errno
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.errors import AdapterError, DiskFullError, RoundError
from tests.trainer.scene import freeze
from trainer.algorithms.training_run import StoppedError
from trainer.interface.config import DPOConfig
from trainer.interface.manifest import Manifest
from trainer.interface.round_dir import RoundDir
from trainer.model.base import Base
from trainer.process import StopSignal, carry_through


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """Give SIGTERM and SIGINT back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def frozen(tmp_path: Path, base: Base) -> RoundDir:
    return freeze(tmp_path / "round", base, config=DPOConfig(epochs=1, rank=2, alpha=4))


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Have the round end with an exception instead of training."""

    def burst(error: BaseException) -> None:
        def run(*_: object, **__: object) -> Manifest:
            raise error

        monkeypatch.setattr("trainer.process.run_round", run)

    return burst


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_either_signal_asks_to_stop(number: signal.Signals) -> None:
    stop = StopSignal()
    assert not stop()
    signal.raise_signal(number)
    assert stop()


def test_a_stop_is_no_failure(frozen: RoundDir, ends: Callable[[BaseException], None]) -> None:
    ends(StoppedError("stopped after step 3 of 9"))
    with pytest.raises(StoppedError):
        carry_through(frozen, StopSignal())
    assert frozen.failure() is None


@pytest.mark.parametrize("error", [RoundError("the loss has exploded"), AdapterError("weight A is missing")])
def test_what_went_wrong_on_purpose_is_written_in_its_own_words(
    frozen: RoundDir, ends: Callable[[BaseException], None], error: Exception
) -> None:
    ends(error)
    with pytest.raises(type(error)):
        carry_through(frozen, StopSignal())
    assert frozen.failure() == str(error)


def test_what_nobody_foresaw_is_called_unexpected(frozen: RoundDir, ends: Callable[[BaseException], None]) -> None:
    ends(KeyError("rope"))
    with pytest.raises(KeyError):
        carry_through(frozen, StopSignal())
    assert frozen.failure() == "unexpected: KeyError('rope')"


@pytest.mark.parametrize(
    ("error", "free"),
    [(OSError(errno.ENOSPC, "No space left on device"), 10**9), (RuntimeError("file write failed"), 0)],
    ids=["said by the system", "not said by torch"],
)
def test_a_full_disk_is_told_as_that_and_what_was_being_written_is_dropped(
    frozen: RoundDir,
    ends: Callable[[BaseException], None],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    free: int,
) -> None:
    (frozen.path / ".adapter.part").mkdir()
    frozen.checkpoint.with_suffix(".part").touch()
    frozen.checkpoint.touch()
    monkeypatch.setattr("data.support.disk.free_bytes", lambda _: free)
    ends(error)
    with pytest.raises(DiskFullError):
        carry_through(frozen, StopSignal())
    assert str(frozen.failure()).startswith(f"The disk is full: {frozen.path} cannot grow")
    assert list(frozen.path.glob("*.part")) == []
    assert frozen.checkpoint.exists()


def test_a_disk_too_full_for_words_fails_all_the_same(
    frozen: RoundDir, ends: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: RoundDir, reason: str | None) -> None:
        if reason is not None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RoundDir, "set_failure", refuse)
    ends(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(DiskFullError):
        carry_through(frozen, StopSignal())


def test_the_directory_is_free_again_after_a_failure(
    frozen: RoundDir, base: Base, monkeypatch: pytest.MonkeyPatch, ends: Callable[[BaseException], None]
) -> None:
    ends(RoundError("the disk was full"))
    with pytest.raises(RoundError):
        carry_through(frozen, StopSignal())
    monkeypatch.undo()
    manifest = carry_through(frozen, StopSignal(), base=base)
    assert frozen.manifest() == manifest
    assert frozen.failure() is None


def test_a_signal_stops_a_round_with_a_checkpoint_and_it_goes_on(frozen: RoundDir, base: Base) -> None:
    stop = StopSignal()
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(StoppedError, match="stopped after step 1 of 2"):
        carry_through(frozen, stop, base=base)
    assert frozen.checkpoint.exists() and frozen.manifest() is None
    assert carry_through(frozen, StopSignal(), base=base).steps == 2
    assert [line["step"] for line in frozen.metrics()] == [1, 2]


def test_a_round_with_its_manifest_is_left_alone(
    frozen: RoundDir, base: Base, ends: Callable[[BaseException], None]
) -> None:
    manifest = carry_through(frozen, StopSignal(), base=base)
    ends(AssertionError("trained again"))
    assert carry_through(frozen, StopSignal(), base=base) == manifest


@pytest.mark.parametrize("name", ["WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_one_of_several_processes_says_that_it_is_not_supported(
    frozen: RoundDir, ends: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    ends(AssertionError("it began to train"))
    monkeypatch.setenv(name, "2")

    with pytest.raises(RoundError, match=f"2 were started .{name} says so.: training on several GPUs"):
        carry_through(frozen, StopSignal())
    assert "start one process" in str(frozen.failure())
