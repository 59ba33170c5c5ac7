"""Texts as fields of COPY's text format, and back. Used by ingest.py and working_lines.py. Pure.

Source: PostgreSQL's documentation of COPY, "Text Format".
"""

from __future__ import annotations

import re

NULL = "\\N"
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_CHARACTERS = {escape: character for character, escape in _ESCAPES.items()}
_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPED = re.compile(r"\\[\\tnr]")


def escaped(text: str | None) -> str:
    """A field."""
    if text is None:
        return NULL
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], text) if _SPECIAL.search(text) else text


def unescaped(field: str) -> str | None:
    """What `escaped` was given."""
    if field == NULL:
        return None
    return _ESCAPED.sub(lambda found: _CHARACTERS[found[0]], field) if "\\" in field else field
