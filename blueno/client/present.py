"""What a working set holds already, so that an upload that is run again sends only what is missing.

16 bytes a sample, filled from pages of the web API; asked by bundles.py for upload.py.
A wrong yes would lose a sample: it needs two samples whose sums agree in 128 bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from blueno.client import asking
from blueno.client.driving import Transport
from blueno.client.exchange import Request
from blueno.client.reading import Fields
from blueno.errors import BluenoError, NotFound, Rejected

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MOST = 5_000_000  # samples that are asked for; of more than that everything is sent, and answered with "same"
FEW = 10  # times as many samples as are to be sent: so many are worth asking for


class Present:
    """Which (key, etag) are there."""

    def __init__(self, sums: bytes = b"") -> None:
        self._pairs: npt.NDArray[np.uint64] | None = None
        if sums:
            import numpy as np

            pairs = np.frombuffer(sums, np.uint64).reshape(-1, 2)
            self._pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]

    def __bool__(self) -> bool:
        return self._pairs is not None

    def has(self, key: str, etag: str) -> bool:
        """Whether exactly this sample is there."""
        pairs = self._pairs
        if pairs is None:
            return False
        import numpy as np

        first, second = np.frombuffer(_sum(key, etag), np.uint64)
        at = int(np.searchsorted(pairs[:, 0], first))
        while at < len(pairs) and pairs[at, 0] == first:
            if pairs[at, 1] == second:
                return True
            at += 1
        return False


async def has_key(transport: Transport, place: str, key: str) -> bool:
    """Whether there is any sample of that key. Waits for a data server that starts."""
    try:
        await asking.patiently(transport, Request("GET", f"{place}/working/sample", {"key": key}))
    except (NotFound, Rejected):  # one that cannot be a key is not there; who may not ask will be told when sending
        return False
    return True


async def look(transport: Transport, place: str, keys: list[str], *, are_all: bool) -> Present:
    """What is there of the samples that are to be sent, if asking costs less than sending.

    `keys` are the first ones; `are_all`: there are no more. Empty when the database does not answer: then all is sent.
    """
    prefix = _common(keys) if are_all else ""
    query = {"prefix": prefix or None}
    try:
        answer = await asking.get(transport, f"{place}/working", {**query, "limit": 1})
        total = Fields(answer.body, "answer").whole("total")
        if not 0 < total <= (FEW * len(keys) if are_all else MOST):
            return Present()
        sums = bytearray()
        async for sum_ in _sums(transport, place, query):
            sums += sum_
        return Present(bytes(sums))
    except BluenoError:
        return Present()


async def _sums(transport: Transport, place: str, query: dict[str, str | None]) -> AsyncIterator[bytes]:
    async for item in asking.pages(transport, f"{place}/working", query, items="samples"):
        yield _sum(item.text("key"), item.text("etag"))


def _sum(key: str, etag: str) -> bytes:
    return hashlib.blake2b(f"{etag}{key}".encode(errors="surrogatepass"), digest_size=16).digest()


def _common(keys: list[str]) -> str:
    """What all begin with."""
    first, last = min(keys, default=""), max(keys, default="")
    length = next((at for at, sign in enumerate(first) if sign != last[at : at + 1]), len(first))
    return first[:length]
