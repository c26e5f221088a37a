"""All containers: find one by path or by name."""

from pathlib import Path

from data.containers import csv_rows, datasets_directory, jsonl, parquet
from data.containers.container import Container
from data.errors import InputError

# A directory is recognised whatever its name, so it comes first.
CONTAINERS = (datasets_directory.DATASETS, jsonl.JSONL, csv_rows.CSV, parquet.PARQUET)


def find(path: Path) -> Container | None:
    """Return the container of a path, if it is one."""
    return next((container for container in CONTAINERS if container.opens(path)), None)


def opening(path: Path) -> Container:
    """Return the container of a path. Raises InputError that lists the known suffixes."""
    found = find(path)
    if found is None:
        known = ", ".join(suffix for container in CONTAINERS for suffix in container.suffixes)
        raise InputError(f"{path}: the name ends in none of {known}; convert the file, or name it for what it is")
    return found


def by_name(name: str) -> Container:
    """Return the container of that name. Raises InputError that lists the known ones."""
    for container in CONTAINERS:
        if container.name == name:
            return container
    known = ", ".join(container.name for container in CONTAINERS)
    raise InputError(f"{name} is no container; take one of {known}")
