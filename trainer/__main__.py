"""`python -m trainer ROUND_DIR`: carry one training round through; the manifest it writes is the truth.

SIGTERM writes a checkpoint and ends with 143; started again it goes on from there. A second trainer on the
same directory waits for the first, and a round that has its manifest is not trained again.
"""

import fcntl
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from data.errors import PrefloopError
from trainer.dpo import StoppedError
from trainer.round import run_round
from trainer.round_dir import RoundDir

_USAGE = "usage: python -m trainer ROUND_DIR"
_POLL = 0.2  # seconds between looks at a lock that another trainer holds


class _StopSignal:
    """True once SIGTERM or SIGINT has come."""

    def __init__(self) -> None:
        self._came = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def _take(self, _: int, __: FrameType | None) -> None:
        self._came = True

    def __call__(self) -> bool:
        return self._came


@contextmanager
def _alone(path: Path, stop: _StopSignal) -> Iterator[None]:
    """Hold a round directory; the lock dies with the process, however it ends.

    Raises StoppedError when asked to stop while another trainer holds it.
    """
    with (path / ".lock").open("w") as lock:
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


def main(arguments: list[str]) -> int:
    """Run the round in arguments[0]; returns the exit status: 0 well, 1 failed, 2 usage, 143 stopped."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        sys.stderr.write(f"{_USAGE}\n")
        return 2
    directory = RoundDir(Path(arguments[0]))
    stop = _StopSignal()
    try:
        with _alone(directory.path, stop):
            directory.set_failure(None)
            if directory.manifest() is None:
                run_round(directory, stop)
    except StoppedError as stopped:
        sys.stderr.write(f"{stopped}\n")
        return 143
    except PrefloopError as error:
        directory.set_failure(str(error))
        sys.stderr.write(f"{error}\n")
        return 1
    except Exception as error:
        directory.set_failure(f"unexpected: {error!r}")
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
