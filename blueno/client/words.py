"""Texts of others made fit for a person's terminal and for our messages. Pure; used by blueno/client and blueno/cli."""

from __future__ import annotations

import re
import unicodedata

MESSAGE = 1000  # characters of a server's sentence that we repeat
_SECRET = re.compile(r"blueno_[A-Za-z0-9_-]{20,}")


def plain(text: str, limit: int = MESSAGE) -> str:
    """One line without control characters (a terminal obeys them), without tokens, at most `limit` characters."""
    shown = "".join(" " if sign in "\t\r\n" else sign for sign in text[: limit + 1] if _harmless(sign))
    shown = _SECRET.sub("blueno_…", shown)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _harmless(sign: str) -> bool:
    # Cc: control; Cf: direction overrides and invisible signs; Cs: halves of surrogates, which cannot be printed.
    return sign in "\t\r\n" or unicodedata.category(sign) not in ("Cc", "Cf", "Cs")
