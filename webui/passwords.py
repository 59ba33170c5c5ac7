"""Passwords: scrypt with parameters and salt in the stored text. Used by auth.py, api/users.py and users.py.

One computation takes 32 MiB and about 80 ms: never on the event loop, and at most so many at once.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from webui.problems import later

LOG_N, R, P = 15, 8, 1
_MEMORY = 64 << 20  # OpenSSL's limit; 128 * n * r bytes are needed
_SALT_BYTES = 16
_SUM_BYTES = 32
T = TypeVar("T")
WAITING = 16  # logins that may wait for their turn: the last waits little more than a second


def hashed(password: str) -> str:
    """What is stored, with a new salt."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"scrypt${LOG_N}${R}${P}${_text(salt)}${_text(_scrypt(password, salt, (LOG_N, R, P)))}"


def fits(password: str, stored: str) -> bool:
    """Whether this is the password; a stored text of no known form fits nothing."""
    try:
        kind, log_n, r, p, salt, total = stored.split("$")
        numbers = (int(log_n), int(r), int(p))
        salted, wanted = base64.b64decode(salt), base64.b64decode(total)
    except ValueError:
        return False
    return kind == "scrypt" and hmac.compare_digest(_scrypt(password, salted, numbers), wanted)


class Passwords:
    """The same from the event loop, one at a time (32 MiB each)."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._nobodys = hashed(secrets.token_urlsafe(16))
        self._waiting = 0

    async def hashed(self, password: str) -> str:
        """See `hashed`. Raises Problem 503 when too many wait."""
        return await self._run(lambda: hashed(password))

    async def fits(self, password: str, stored: str | None) -> bool:
        """See `fits`; None (nobody's password) takes as long and never fits."""
        known = await self._run(lambda: fits(password, stored or self._nobodys))
        return known and stored is not None

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING:
            raise later("overloaded", "too many people log in at this moment")
        self._waiting += 1
        try:
            # The thread goes on when the caller hangs up; the count is of callers, the thread is one.
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1


def _scrypt(password: str, salt: bytes, numbers: tuple[int, int, int]) -> bytes:
    log_n, r, p = numbers
    text = unicodedata.normalize("NFC", password).encode()
    return hashlib.scrypt(text, salt=salt, n=1 << log_n, r=r, p=p, maxmem=_MEMORY, dklen=_SUM_BYTES)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
