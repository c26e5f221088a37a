"""Memory available to this process: the machine's, or less where the cgroup of a container or service limits it.

Reads cgroup v2 (`memory.max`, `memory.current`, `memory.events`) and v1 (`memory.limit_in_bytes` and so on); without
either, the whole machine's memory counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

_PROC = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class _Names:
    """File names of a cgroup version; dropped: the statistic of page cache that the kernel can reclaim."""

    limit: str
    used: str
    dropped: str
    events: str


_V1 = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "memory.oom_control")
_V2 = _Names("memory.max", "memory.current", "inactive_file", "memory.events")


@dataclass(frozen=True, slots=True)
class MachineMemory:
    """The memory that this process and its children share. proc: lists its cgroups; mount: where they are mounted."""

    proc: Path = _PROC
    mount: Path = _MOUNT

    def limit(self) -> int:
        """Return the maximum bytes that this process and its children may use together."""
        return min([int(psutil.virtual_memory().total), *(limit for _, limit in self._limits())])

    def free(self) -> int:
        """Return the bytes still available, on the machine and in every cgroup that limits it."""
        left = [limit - _held(group) for group, limit in self._limits()]
        return max(0, min([int(psutil.virtual_memory().available), *left]))

    def kills(self) -> int:
        """Return how many processes of these cgroups the kernel killed for lack of memory; 0 where it is not counted.

        Only the nearest counter is read: a container's own, not that of the machine it shares with others.
        """
        for group in self._groups():
            found = _number(group.path / group.names.events, "oom_kill")
            if found is not None:
                return found
        return 0

    def _limits(self) -> Iterator[tuple["_Group", int]]:
        for group in self._groups():
            limit = _number(group.path / group.names.limit)
            if limit is not None and limit < int(psutil.virtual_memory().total):  # v1 reports 2^63 for no limit
                yield group, limit

    def _groups(self) -> Iterator["_Group"]:
        """Yield this process's memory cgroups, its own first, then its ancestors."""
        try:
            lines = [line.split(":", 2) for line in self.proc.read_text().splitlines()]
        except OSError:  # not Linux
            return
        for _, controllers, path in lines:
            if controllers == "":
                yield from _upwards(self.mount, path, _V2)
            elif "memory" in controllers.split(","):
                yield from _upwards(self.mount / "memory", path, _V1)


@dataclass(frozen=True, slots=True)
class _Group:
    path: Path
    names: _Names


def _upwards(mount: Path, path: str, names: _Names) -> Iterator[_Group]:
    """Yield a cgroup and its visible ancestors; in a container that may be the mount point alone."""
    here = mount / path.lstrip("/")
    for group in (here, *here.parents):
        if group.is_relative_to(mount) and group.is_dir():
            yield _Group(group, names)


def _held(group: _Group) -> int:
    """Return the bytes in use, without the page cache that the kernel can reclaim."""
    used = _number(group.path / group.names.used) or 0
    return used - (_number(group.path / "memory.stat", group.names.dropped) or 0)


def _number(file: Path, key: str | None = None) -> int | None:
    """Read the number in a file, or after a key in it; None for "max", and where it cannot be read."""
    try:
        words = file.read_text().split()
    except OSError:
        return None
    if key is not None:
        words = words[words.index(key) + 1 :] if key in words else []
    return int(words[0]) if words and words[0].isdecimal() else None
