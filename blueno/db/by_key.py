"""Samples of a loaded version by their keys, and lists as programs of 2019 ask for them. Called by webui/api/platform/.

Lists are read by walking the version: nothing is stored that would make an offset or a prefix in any case quick. What
takes too long is refused (QueryTooCostly); the gallery's pages (samples.py) have no such limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from blueno.db.connect import Cursor
from blueno.db.samples import Filter, PageQuery, SampleRow, VersionRow, select_page
from blueno.db.text import storable

_LABEL = "(SELECT label FROM projection.label l WHERE l.version_id = t.version_id AND l.label_id = t.label_id)"
_SPLIT = "(SELECT name FROM projection.split s WHERE s.version_id = t.version_id AND s.split_id = t.split_id)"


@dataclass(frozen=True)
class KeyQuery:
    """`prefix` in any case; `labels` are canonical JSON, of which one must fit, None in it stands for no label."""

    prefix: str = ""
    split: str | None = None
    labels: Sequence[str | None] | None = None


@dataclass(frozen=True)
class KeyRow:
    """A sample, as far as a list of 2019 tells."""

    key: str
    split: str
    label: str | None  # canonical JSON
    metadata: str | None  # canonical JSON
    sha256: str


def select_by_key(cursor: Cursor, version: VersionRow, key: str) -> SampleRow | None:
    """The sample of this key: the first of those that begin with it, in the split where it is."""
    cursor.execute("SELECT name FROM projection.split WHERE version_id = %s ORDER BY split_id", (version.id,))
    for (split,) in cursor.fetchall():
        page = select_page(cursor, version, Filter(split=split, prefix=key), PageQuery(limit=1))
        if page.rows and page.rows[0].key == key:
            return page.rows[0]
    return None


def select_known_keys(cursor: Cursor, version: VersionRow, keys: Sequence[str]) -> set[str]:
    """Those of `keys` that the version has."""
    cursor.execute(f"SELECT key FROM {version.table} WHERE key = ANY(%s)", (list(filter(storable, keys)),))  # noqa: S608  # our names
    return {key for (key,) in cursor.fetchall()}


def select_rows(cursor: Cursor, version: VersionRow, wanted: KeyQuery, offset: int, limit: int) -> list[KeyRow]:
    """In the version's own order."""
    condition, values = _condition(wanted)
    cursor.execute(
        f"SELECT key, {_SPLIT}, {_LABEL}, metadata, encode(sha256, 'hex') FROM {version.table} t"  # noqa: S608
        f" WHERE {condition} ORDER BY idx OFFSET %s LIMIT %s",
        (*values, offset, limit),
    )
    return [KeyRow(*row) for row in cursor.fetchall()]


def count_rows(cursor: Cursor, version: VersionRow, wanted: KeyQuery) -> int:
    """How many `select_rows` would give in all."""
    condition, values = _condition(wanted)
    cursor.execute(f"SELECT count(*) FROM {version.table} t WHERE {condition}", values)  # noqa: S608
    (found,) = cursor.fetchone() or (0,)
    return int(found)


def _condition(wanted: KeyQuery) -> tuple[str, tuple[object, ...]]:
    parts: list[str] = ["true"]
    values: list[object] = []
    texts = [wanted.prefix, wanted.split or "", *(label or "" for label in wanted.labels or ())]
    if not storable(*texts):
        return "false", ()
    if wanted.prefix:
        parts.append("starts_with(lower(key), lower(%s))")
        values.append(wanted.prefix)
    if wanted.split is not None:
        parts.append(f"{_SPLIT} = %s")
        values.append(wanted.split)
    if wanted.labels is not None:
        parts.append(f"({_LABEL} = ANY(%s) OR (%s AND label_id = 0))")
        values += [[label for label in wanted.labels if label is not None], None in wanted.labels]
    return " AND ".join(parts), tuple(values)
