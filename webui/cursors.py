"""Cursors: where a list goes on. Signed, and good only for the person, the route and the filter they were made for.

Used by api/. A cursor that was changed, borrowed, or is a day old is refused with 400 `bad_cursor`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

from webui.kinds import Text
from webui.problems import Problem

SECONDS = 24 * 3600
_TAG_BYTES = 16
KIND = Text(max=1024, min=1)


class Cursors:
    """`scope` is everything a cursor is bound to: it is not in the cursor, only in its signature."""

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock

    def write(self, scope: tuple[Any, ...], place: Any) -> str:
        """A cursor for `place` (JSON)."""
        body = json.dumps([int(self._clock()) + SECONDS, place], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._tag(scope, body) + body).decode().rstrip("=")

    def read(self, scope: tuple[Any, ...], text: str) -> Any:
        """The place. Raises Problem 400."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise _bad() from None
        tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(scope, body)):
            raise _bad()
        expires, place = json.loads(body)  # ours: it is signed
        if expires < self._clock():
            raise _bad()
        return place

    def _tag(self, scope: tuple[Any, ...], body: bytes) -> bytes:
        bound = json.dumps(scope, ensure_ascii=True).encode()
        digest = hashlib.sha256(len(bound).to_bytes(8, "little") + bound + body).digest()
        return hmac.digest(self._key, b"blueno-cursor-v1\n" + digest, "sha256")[:_TAG_BYTES]


def _bad() -> Problem:
    return Problem(400, "bad_cursor", "this cursor is not good here (or a day old): begin at the first page again")
