"""Text that PostgreSQL can hold. Used by the queries: a filter that cannot be stored matches nothing. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_STRANGE = re.compile("[\0\ud800-\udfff]")


def storable(*texts: str) -> bool:
    """False for NUL and lone surrogates, which psycopg2 answers with ValueError, not with an error of its own."""
    return not any(_STRANGE.search(text) for text in texts)


def plain(value: Any) -> Any:
    """JSON that jsonb takes: NUL and lone surrogates become U+FFFD, numbers that are none become null."""
    if isinstance(value, str):
        return _STRANGE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
