"""The API of a home, for commands: of its running server, or where none runs of its store, in this process.

Knows none of the commands.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app.home import Home
from data.errors import HomeError

if TYPE_CHECKING:
    from app.client.client import Client


@contextmanager
def server_of(home: Path) -> "Iterator[Client]":
    """The server of a home, as its owner. Raises HomeError when none runs."""
    from app.client.client import running_server

    place = Home(home)
    server = running_server(place)
    if server is None:
        raise HomeError(f"no server runs on {place.path}; start one with `prefloop serve --home {place.path}`")
    with server:
        yield server


@contextmanager
def client_of(home: Path, *, make: bool = False) -> "Iterator[Client]":
    """The server of a home, or else the home itself, as its owner; `make` makes a home that is not there.

    Raises HomeError for a home that is not there, or that another process has open.
    """
    from app.client.client import running_server

    place = Home(home)
    server = running_server(place)
    if server is not None:
        with server:
            yield server
        return
    from app.client.in_process import in_process

    with in_process(place, make=make) as client:
        yield client


def store_of(home: Path) -> "AbstractContextManager[Client]":
    """The same for what only a server puts into a home at first: where there is no home, a server is to be started."""
    return client_of(home) if Home(home).database.exists() else server_of(home)
