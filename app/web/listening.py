"""Where the server listens: the sockets of an address, and a home that is claimed for the server there.

Imports nothing heavy, so that a taken port or an owned home is told before the model's libraries are loaded.
"""

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from app.home import Home
from app.settings.settings import Settings
from app.tls import Tls
from data.db.lock import HomeLock
from data.errors import InputError

_EVERYWHERE = "::"


@dataclass(frozen=True, slots=True)
class Listening:
    """Sockets that listen, the address to reach them by, and what is encrypted with."""

    sockets: tuple[socket.socket, ...]
    url: str
    tls: Tls | None = None

    @property
    def open_to_others(self) -> bool:
        """Whether other machines may reach it."""
        return not all(ipaddress.ip_address(one.getsockname()[0]).is_loopback for one in self.sockets)


@contextmanager
def claimed(home: Home, settings: Settings) -> Iterator[Listening]:
    """Listen where the settings say and own the home until the block ends.

    Raises InputError for files of the settings that cannot be used and as `listening` does, and HomeError for a home
    that cannot be used; then nothing was changed.
    """
    _assert_readable(settings)
    with listening(settings.host, settings.port, settings.tls) as at:
        home.create()
        with HomeLock(home.path, url=at.url):
            yield at


@contextmanager
def listening(host: str, port: int, tls: Tls | None = None) -> Iterator[Listening]:
    """Sockets on every address that a host has, all on one port, closed when the block ends; port 0 picks a free one.

    "::" is every address of the machine, the IPv4 ones too. Raises InputError for a taken port or an unknown host.
    """
    with ExitStack() as opened:
        sockets: list[socket.socket] = []
        for family, address in _addresses(host, port):
            chosen = sockets[0].getsockname()[1] if sockets else port
            sockets.append(opened.enter_context(_bound(family, address, chosen)))
        scheme = "http" if tls is None else "https"
        yield Listening(tuple(sockets), f"{scheme}://{_in_url(host)}:{sockets[0].getsockname()[1]}", tls)


def _assert_readable(settings: Settings) -> None:
    for key, file in (("prompts", settings.prompts), ("probes", settings.probes)):
        try:
            if file is not None:
                file.open("rb").close()
        except OSError as error:
            raise InputError(f"{key}: {file} cannot be read: {error.strerror}; name another file") from error
    if settings.tls is not None:
        settings.tls.check()


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
