"""Run a round as a process: stop on signals, lock the round directory, record failures as readable text.

Used by `python -m trainer` and by `prefloop train`.
"""

import fcntl
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TextIO

from data.errors import DiskFullError, PrefloopError, RoundError
from data.support.disk import is_full
from trainer.algorithms.training_run import StoppedError
from trainer.interface.manifest import Manifest
from trainer.interface.round_dir import RoundDir
from trainer.model.base import Base
from trainer.round import run_round

_PROCESSES = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
"""Variables in which torchrun and accelerate, Open MPI, MPICH and srun give the number of processes they started."""

_POLL = 0.2  # seconds between attempts to take a lock that another trainer holds


class StopSignal:
    """Callable that returns True once SIGTERM or SIGINT has arrived."""

    def __init__(self) -> None:
        self._came = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def _take(self, _: int, __: FrameType | None) -> None:
        self._came = True

    def __call__(self) -> bool:
        """Return whether a signal has arrived."""
        return self._came


def carry_through(directory: RoundDir, stop: StopSignal, *, base: Base | None = None) -> Manifest:
    """Train a round unless it already has a manifest; on failure the reason is written to its directory.

    base: the model, if it is already loaded. Raises StoppedError when asked to stop; RoundError or another
    PrefloopError (such as DiskFullError) when training fails, or when this is one of several processes.
    """
    with _alone(directory, stop):
        directory.set_failure(None)
        try:
            assert_single_process(os.environ)
            return directory.manifest() or run_round(directory, stop, base=base)
        except StoppedError:
            raise
        except PrefloopError as error:
            directory.set_failure(str(error))
            raise
        except Exception as error:
            full = is_full(error, directory.path)  # check before drop_parts frees space
            directory.drop_parts()
            if not full:
                directory.set_failure(f"unexpected: {error!r}")
                raise
            failure = DiskFullError(directory.path)
            with suppress(OSError):
                directory.set_failure(str(failure))
            raise failure from error


def assert_single_process(environment: Mapping[str, str]) -> None:
    """Raise RoundError when the environment shows that a launcher started several processes.

    Each would wait for the lock and then find the round trained: only one GPU would work, without any warning.
    """
    for name in _PROCESSES:
        if environment.get(name, "1") not in ("", "1"):
            raise RoundError(
                f"training takes one process, and {environment[name]} were started ({name} says so): training on "
                "several GPUs is not supported yet; start one process, such as torchrun --nproc-per-node 1"
            )


@contextmanager
def _alone(directory: RoundDir, stop: StopSignal) -> Iterator[None]:
    """Hold the lock of a round directory; the kernel releases it when the process ends, however it ends.

    Raises StoppedError when asked to stop while waiting for another trainer.
    """
    with directory.lock.open("w") as lock:
        while not _locked(lock):
            if stop():
                raise StoppedError("stopped while another trainer had the round")
            time.sleep(_POLL)
        yield


def _locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
