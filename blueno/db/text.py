"""Text that PostgreSQL can hold. Used by the queries: a filter that cannot be stored matches nothing. Pure."""

from __future__ import annotations


def storable(*texts: str) -> bool:
    """False for NUL and lone surrogates, which psycopg2 answers with ValueError, not with an error of its own."""
    return not any("\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text) for text in texts)
