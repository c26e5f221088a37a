"""Backups of a home: on command and on a schedule."""

import asyncio
from pathlib import Path
from typing import Any

from app.background.loop import Loop
from app.home import Home
from data.db.backups import Backup, CopyTold, backups_in, keep_newest, unheard
from data.db.backups import back_up as copy_home
from data.errors import HomeError, PrefloopError
from data.support.clock import Clock, now_ms
from data.support.settings_types import Positive, Strict


class BackupSettings(Strict):
    """When and where the server backs up its home: every_hours: None: never; directory: None: beside the home.

    keep: how many of the newest backups are kept.
    """

    every_hours: Positive | None = None
    directory: Path | None = None
    keep: Positive = 7


_LOOK_SECONDS = 60.0  # short, since the system clock may jump
_HOUR_MS = 3_600_000


def directory_of(home: Home, chosen: Path | None) -> Path:
    """Return the directory for backups of a home: beside it, unless another one was chosen."""
    return home.path.with_name(f"{home.path.name}-backups") if chosen is None else chosen.expanduser().resolve()


def back_up(
    home: Home, directory: Path, *, keep: int | None = None, clock: Clock = now_ms, told: CopyTold = unheard
) -> dict[str, Any]:
    """Make a backup, then delete all but the newest `keep` (None: delete none). Raises HomeError.

    Returns what backup_out does, plus the deleted paths.
    """
    if not home.database.exists():
        raise HomeError(f"there is no prefloop home in {home.path}; --home names another")
    if directory.is_relative_to(home.path):
        raise HomeError(f"{directory} lies in the home itself and would be lost with it; name another with --to")
    made = copy_home(home.database, home.kept, directory, clock=clock, told=told)
    old = [] if keep is None else keep_newest(directory, keep)
    return backup_out(made) | {"deleted": [str(one.path) for one in old]}


def backup_out(backup: Backup) -> dict[str, Any]:
    """Return a backup's data for the command line. bytes: total size of its files."""
    return {
        "path": str(backup.path),
        "created_at": backup.created_at,
        "software": backup.software,
        "files": len(backup.files),
        "bytes": backup.bytes,
    }


class Backups:
    """Backs up a home on the schedule in its settings, if there is one."""

    def __init__(self, home: Home, settings: BackupSettings, clock: Clock = now_ms) -> None:
        self.loop = Loop("backing the home up", self._step, every=_LOOK_SECONDS)
        self._home = home
        self._settings = settings
        self._clock = clock
        self._directory = directory_of(home, settings.directory)
        self._stopping = False

    async def run(self) -> None:
        """Make each backup when it is due, until cancelled."""
        if self._settings.every_hours is None:
            return
        try:
            await self.loop.run()
        finally:
            self._stopping = True

    async def _step(self) -> None:
        await asyncio.to_thread(self.back_up_if_due)

    def back_up_if_due(self) -> None:
        """Make a backup if one is due. Raises HomeError."""
        every = self._settings.every_hours
        newest = next(iter(backups_in(self._directory)), None)
        if every is None or (newest is not None and self._clock() < newest.created_at + every * _HOUR_MS):
            return
        back_up(self._home, self._directory, keep=self._settings.keep, clock=self._clock, told=self._go_on)
        self.loop.last_error = None

    def _go_on(self, _: int) -> None:
        if self._stopping:
            raise PrefloopError("the server ended while a backup was made; the next one makes it")
