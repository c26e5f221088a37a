"""All containers, and which of them a path is. Knows nothing of what rows mean."""

from pathlib import Path

from data.containers import jsonl
from data.containers.container import Container
from data.errors import InputError

CONTAINERS = (jsonl.JSONL,)


def opening(path: Path) -> Container:
    """The container that a path is one of. Raises InputError that lists what is known."""
    for container in CONTAINERS:
        if container.opens(path):
            return container
    known = ", ".join(suffix for container in CONTAINERS for suffix in container.suffixes)
    raise InputError(f"{path}: the name ends in none of {known}; convert the file, or name it for what it is")


def by_name(name: str) -> Container:
    """The container of that name. Raises InputError that lists what is known."""
    for container in CONTAINERS:
        if container.name == name:
            return container
    known = ", ".join(container.name for container in CONTAINERS)
    raise InputError(f"{name} is no container; take one of {known}")
