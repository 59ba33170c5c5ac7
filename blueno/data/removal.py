"""How much one request to take samples out may name. Used by those who ask (blueno/client, blueno/ingest) and by those
who answer (blueno/dataserver, webui/api). Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

REMOVALS: Final = 10_000  # keys in one request
REMOVALS_BYTES: Final = 4 << 20  # of its JSON: decoded it may be thirty times as large
_AROUND = 64  # bytes of what stands around the keys


def in_requests(keys: Iterable[str]) -> Iterator[list[str]]:
    """The keys in their order, as many at a time as one request takes."""
    some: list[str] = []
    size = _AROUND
    for key in keys:
        longer = len(json.dumps(key)) + len(", ")
        if some and (len(some) >= REMOVALS or size + longer > REMOVALS_BYTES):
            yield some
            some, size = [], _AROUND
        some.append(key)
        size += longer
    if some:
        yield some
