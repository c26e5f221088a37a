"""Takes in a file until it is killed: by itself, at a given place.

`python -m tests.app.importing_child HOME FILE PLACE`; PLACE is "a commit" or "a line", of the second chunk that leaves
rows out: after the commit and before these rows are in the file, or in the middle of them.
"""

import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

from app.datasets import importer as importing
from app.datasets.rejected_rows import BadRows, bad_rows_of
from app.file_reading.look import Brought
from app.file_reading.process import inspect
from data.containers.container import FileLimits
from data.records import BadRow, ImportKind
from data.store import PreferenceStore


class KilledRows(BadRows):
    """Is killed where it adds rows for the second time."""

    times = 0

    def add(self, rows: Iterable[BadRow]) -> None:
        rows = tuple(rows)
        KilledRows.times += bool(rows)
        if KilledRows.times == 2:
            if sys.argv[3] == "a line":
                super().add(rows[:-1])
                with bad_rows_of(Path(sys.argv[1]) / "imports", 1).open("a") as file:
                    file.write('{"line": 19')
            os.kill(os.getpid(), signal.SIGKILL)
        super().add(rows)


def main() -> None:
    home, file = Path(sys.argv[1]), Path(sys.argv[2])
    killed = mock.patch.object(importing, "BadRows", KilledRows)
    with PreferenceStore.open(home / "prefloop.db") as store, killed:
        seen = inspect(Brought(file, file.name, ImportKind.PREFERENCES), FileLimits())
        importing.save(store, seen, FileLimits(), home / "imports")


if __name__ == "__main__":
    main()
