"""What memory this process may have: the machine's, or less where a cgroup of a container or a service limits it.

Reads cgroup v2 (`memory.max`, `memory.current`, `memory.events`) and v1 (`memory.limit_in_bytes` and its kin); where
there is neither, the whole machine counts. Knows nothing of models.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

_PROC = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class _Names:
    """What a version of cgroups calls its files; dropped is the part of what is used that the kernel gives back."""

    limit: str
    used: str
    dropped: str
    events: str


_V1 = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "memory.oom_control")
_V2 = _Names("memory.max", "memory.current", "inactive_file", "memory.events")


@dataclass(frozen=True, slots=True)
class MachineMemory:
    """The memory that this process and its children share. proc: the list of its cgroups; mount: where they lie."""

    proc: Path = _PROC
    mount: Path = _MOUNT

    def limit(self) -> int:
        """Bytes that all may hold together at most."""
        return min([int(psutil.virtual_memory().total), *(limit for _, limit in self._limits())])

    def free(self) -> int:
        """Bytes that may still be taken: of the machine, and of every cgroup that limits it."""
        left = [limit - _held(group) for group, limit in self._limits()]
        return max(0, min([int(psutil.virtual_memory().available), *left]))

    def kills(self) -> int:
        """How often the kernel has killed a process of these cgroups for want of memory; 0 where nothing counts it.

        Only what lies nearest is asked: a container's own count, not that of the machine it shares with others.
        """
        for group in self._groups():
            found = _number(group.path / group.names.events, "oom_kill")
            if found is not None:
                return found
        return 0

    def _limits(self) -> Iterator[tuple["_Group", int]]:
        for group in self._groups():
            limit = _number(group.path / group.names.limit)
            if limit is not None and limit < int(psutil.virtual_memory().total):  # v1 says 2^63 for none
                yield group, limit

    def _groups(self) -> Iterator["_Group"]:
        """This process's memory cgroups, its own first, then those above it."""
        try:
            lines = [line.split(":", 2) for line in self.proc.read_text().splitlines()]
        except OSError:  # no Linux
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
    """A cgroup and all above it that can be seen; in a container that may be the mount alone."""
    here = mount / path.lstrip("/")
    for group in (here, *here.parents):
        if group.is_relative_to(mount) and group.is_dir():
            yield _Group(group, names)


def _held(group: _Group) -> int:
    """Bytes in use, without the pages of files that the kernel drops when somebody needs the room."""
    used = _number(group.path / group.names.used) or 0
    return used - (_number(group.path / "memory.stat", group.names.dropped) or 0)


def _number(file: Path, key: str | None = None) -> int | None:
    """The number in a file, or after a key in it; None for "max", and where it cannot be read."""
    try:
        words = file.read_text().split()
    except OSError:
        return None
    if key is not None:
        words = words[words.index(key) + 1 :] if key in words else []
    return int(words[0]) if words and words[0].isdecimal() else None
