"""Explain in words why a trainer ended without a manifest."""

from data.errors import DiskFullError
from data.support.disk import is_full
from trainer.interface.round_dir import NO_ROOM, RoundDir

_LAST = 2_000  # bytes at the end of a log, of which the last line is shown


def why_ended(directory: RoundDir, status: int) -> str:
    """Return the trainer's own reason; else that the disk is full (it could not write one); else its last log line."""
    said = directory.failure()
    if said is not None:
        return said
    if status == NO_ROOM or is_full(None, directory.path):
        return str(DiskFullError(directory.path))
    last = _last_line(directory)
    if last is None:
        return f"the trainer ended with status {status} without a word; check that its command can run: see `trainer`"
    return f"the trainer ended with status {status}: {last}; {directory.log} says more"


def _last_line(directory: RoundDir) -> str | None:
    if not directory.log.exists():
        return None
    with directory.log.open("rb") as log:
        log.seek(max(0, directory.log.stat().st_size - _LAST))
        lines = log.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), None)
