"""How much one caller may ask for. `Buckets` is used by auth.py (logins) and pipeline.py (requests)."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

KEPT = 10_000  # callers remembered; the one not heard of for longest is forgotten first


class Buckets:
    """A token bucket per key: `burst` at once, then `rate` a second. Not thread-safe (event loop only)."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()  # key: (level, when)

    def take(self, key: str) -> float:
        """0.0 when one was taken, else in how many seconds the next will be there."""
        level = self._level(key)
        if level < 1:
            self._keep(key, level)
            return (1 - level) / self._rate
        self._keep(key, level - 1)
        return 0.0

    def give_back(self, key: str) -> None:
        """What was taken did not count."""
        self._keep(key, min(self._burst, self._level(key) + 1))

    def _level(self, key: str) -> float:
        level, when = self._levels.get(key, (self._burst, 0.0))
        return min(self._burst, level + (self._clock() - when) * self._rate)

    def _keep(self, key: str, level: float) -> None:
        self._levels[key] = (level, self._clock())
        self._levels.move_to_end(key)
        while len(self._levels) > KEPT:
            self._levels.popitem(last=False)


def neighbourhood(remote: str) -> str:
    """The address, or the /64 of an IPv6 address: one household has billions of those."""
    try:
        address = ipaddress.ip_address(remote.partition("%")[0])
    except ValueError:
        return remote
    if isinstance(address, ipaddress.IPv4Address):
        return remote
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
