"""Whose request it is when proxies stand in front: X-Forwarded-For, believed as far as it was written by those that
BLUENO_TRUSTED_PROXIES names. Made by config.py, used by server.py and pipeline.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from blueno.errors import InvalidSpec

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MOST_HOPS = 16  # addresses of one request that are looked at


def parse_networks(text: str, variable: str) -> tuple[Network, ...]:
    """Addresses and networks, separated by commas. Raises InvalidSpec naming `variable`."""
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ipaddress.ip_network(item))
        except ValueError:
            raise InvalidSpec(
                variable, f"must list addresses or networks such as 10.0.0.0/8, not {item[:80]!r}"
            ) from None
    return tuple(found)


class Proxies:
    """The proxies that are ours."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)

    def trusts(self, address: str) -> bool:
        """Whether this is one of them."""
        plain = _plain(address)
        return plain is not None and any(plain in network for network in self._networks)

    def client(self, peer: str, forwarded: Iterable[str]) -> str:
        """The nearest address that is not a proxy of ours: each of them added whom it heard, at the end.

        `peer` is who is connected, `forwarded` the values of X-Forwarded-For in their order. What an address outside
        wrote is never believed; a proxy of ours that says nothing useful stands for its clients.
        """
        heard = [part.strip() for value in forwarded for part in value.split(",")][-MOST_HOPS:]
        address = peer
        while heard and self.trusts(address):
            said = _plain(_without_port(heard.pop()))
            if said is None:
                break
            address = str(said)
        return address


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _without_port(text: str) -> str:
    """Some proxies write 192.0.2.1:4711 or [2001:db8::1]:4711."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.rpartition(":")
    return host if colon and ":" not in host and port.isdecimal() else text
