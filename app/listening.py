"""Where the server listens: the sockets of an address, and a home that is claimed for the server there.

Imports nothing heavy, so that a taken port or an owned home is told before the model's libraries are loaded.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from app.config import Settings
from app.home import Home
from data.errors import InputError
from data.lock import HomeLock

_EVERYWHERE = "::"


@dataclass(frozen=True, slots=True)
class Listening:
    """Sockets that listen, and the address to reach them by."""

    sockets: tuple[socket.socket, ...]
    url: str


@contextmanager
def claimed(home: Home, settings: Settings) -> Iterator[Listening]:
    """Listen where the settings say and own the home until the block ends.

    Raises InputError as `listening` does and HomeError for a home that cannot be used; then nothing was changed.
    """
    with listening(settings.host, settings.port) as at:
        home.create()
        with HomeLock(home.path, url=at.url):
            yield at


@contextmanager
def listening(host: str, port: int) -> Iterator[Listening]:
    """Sockets on every address that a host has, all on one port, closed when the block ends; port 0 picks a free one.

    "::" is every address of the machine, the IPv4 ones too. Raises InputError for a taken port or an unknown host.
    """
    with ExitStack() as opened:
        sockets: list[socket.socket] = []
        for family, address in _addresses(host, port):
            chosen = sockets[0].getsockname()[1] if sockets else port
            sockets.append(opened.enter_context(_bound(family, address, chosen)))
        yield Listening(tuple(sockets), f"http://{_in_url(host)}:{sockets[0].getsockname()[1]}")


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    """The addresses of a host by their family, IPv4 first."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise InputError(f"host {host} is unknown here: {error.strerror}; choose another with --host") from error
    addresses = {(family, str(address[0])) for family, _, _, _, address in found}
    if host == _EVERYWHERE:
        addresses.add((socket.AF_INET, "0.0.0.0"))
    return sorted(addresses)


def _bound(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    # With a protocol of 0 asyncio does not take it for TCP and leaves out TCP_NODELAY: small answers wait for 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen()  # at once: two that are only bound may share a port
    except OSError as error:
        listener.close()
        raise InputError(
            f"port {port} on {address} cannot be used: {error.strerror}; choose another with --port"
        ) from error
    return listener


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
