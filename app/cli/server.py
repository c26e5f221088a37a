"""The running server of a home, for commands that only it can answer. Knows none of the commands."""

from collections.abc import Iterator
from contextlib import contextmanager
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
