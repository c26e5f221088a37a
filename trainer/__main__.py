"""`python -m trainer ROUND_DIR`: run one training round. The round succeeded if and only if its manifest exists.

On SIGTERM it writes a checkpoint and exits with 143; run it again to resume. A second trainer on the same directory
waits for the first, and a round that has a manifest is not trained again. The server starts this process.
"""

import sys
from contextlib import suppress
from pathlib import Path

from data.errors import DiskFullError, PrefloopError
from data.support.private_files import written_privately
from trainer.algorithms.training_run import StoppedError
from trainer.interface.round_dir import NO_ROOM, RoundDir
from trainer.process import StopSignal, carry_through

_USAGE = "usage: python -m trainer ROUND_DIR"


def main(arguments: list[str]) -> int:
    """Run the round in arguments[0]; returns the exit status.

    0: success, 1: failure, 2: usage error, 74: disk full, 143: stopped by a signal.
    """
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        sys.stderr.write(f"{_USAGE}\n")
        return 2
    try:
        with written_privately():
            carry_through(RoundDir(Path(arguments[0])), StopSignal())
    except StoppedError as stopped:
        sys.stderr.write(f"{stopped}\n")
        return 143
    except PrefloopError as error:
        with suppress(OSError):  # stderr may be a file on the full disk
            sys.stderr.write(f"{error}\n")
        return NO_ROOM if isinstance(error, DiskFullError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
