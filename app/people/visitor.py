"""Where a request comes from: address, browser, and the tokens it presents."""

import ipaddress
from dataclasses import dataclass

from starlette.requests import HTTPConnection

SESSION_COOKIE = "prefloop_session"
DEVICE_COOKIE = "prefloop_device"
_LONGEST_AGENT = 300
_IPV6_HOME = 64  # prefix length that providers give to one customer, who has all addresses in it


@dataclass(frozen=True, slots=True)
class Visitor:
    """The origin of a request. device: token of a browser that signed in before; agent: its user agent."""

    address: str = ""
    device: str = ""
    agent: str = ""

    @property
    def network(self) -> str:
        """The network that stands for one location: an IPv4 address, or the first half of an IPv6 address."""
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            return self.address
        if isinstance(address, ipaddress.IPv6Address):
            mapped = address.ipv4_mapped
            return str(mapped or ipaddress.ip_network((int(address), _IPV6_HOME), strict=False))
        return str(address)


UNKNOWN = Visitor()


def visitor_of(asking: HTTPConnection) -> Visitor:
    """Return the visitor behind a request."""
    address = asking.client.host if asking.client else ""
    agent = asking.headers.get("user-agent", "")[:_LONGEST_AGENT]
    return Visitor(address, asking.cookies.get(DEVICE_COOKIE, ""), agent)


def token_of(asking: HTTPConnection) -> str:
    """Return the session token of a request, from `Authorization: Bearer` or the cookie; empty if there is none."""
    kind, _, token = asking.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else asking.cookies.get(SESSION_COOKIE, "")
