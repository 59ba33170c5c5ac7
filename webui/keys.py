"""The web process's own keys, as the operator made them (Secret blueno-keys, mounted). Read at start by __main__.py."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from pathlib import Path

from blueno.errors import InvalidSpec

MIN_BYTES = 32


@dataclass(frozen=True)
class Keys:
    """`web` signs grants (Ed25519, PEM), `session` keys the sums of sessions and codes, `cursor` signs cursors."""

    web: bytes = field(repr=False)
    session: bytes = field(repr=False)
    cursor: bytes = field(repr=False)

    @classmethod
    def read(cls, folder: Path) -> Keys:
        """Raises InvalidSpec naming the file that is missing or too short."""
        web, session, cursor = (_read(folder / name) for name in ("web.key", "session.key", "cursor.key"))
        return cls(web, session, cursor)

    def session_sum(self, secret: str) -> bytes:
        """32 bytes under which a session is stored: a row alone, planted or stolen, opens nothing."""
        return hmac.digest(self.session, secret.encode(), "sha256")


def token_sum(token: str) -> bytes:
    """32 bytes under which a token is stored: tokens outlive a change of session.key."""
    return hashlib.sha256(token.encode()).digest()


def _read(path: Path) -> bytes:
    try:
        value = path.read_bytes()
    except OSError as error:
        raise InvalidSpec(
            "BLUENO_KEYS_DIR", f"{path} cannot be read ({error.strerror}); the operator makes it"
        ) from None
    if len(value) < MIN_BYTES:
        raise InvalidSpec("BLUENO_KEYS_DIR", f"{path} holds {len(value)} bytes; a key has at least {MIN_BYTES}")
    return value
