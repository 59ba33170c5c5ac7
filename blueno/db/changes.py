"""The stream of changes: what webui/ turns into server-sent events. Written by the mirror (mirror.py)."""

from __future__ import annotations

from dataclasses import dataclass

from blueno.db.connect import Cursor
from blueno.db.errors import RETRY_SECONDS, SchemaMissing

CHANNEL = "blueno_changes"  # NOTIFY: the payload is the last seq of the mirror's transaction

_STREAM = """
SELECT id, (SELECT coalesce(min(seq), 0) FROM projection.change_log), (SELECT coalesce(max(seq), 0) FROM
projection.change_log), extract(epoch FROM clock_timestamp() - heartbeat_at)::float8 FROM projection.stream
"""
_CHANGES = """
SELECT seq, kind, uid::text, namespace, op FROM projection.change_log WHERE seq > %s ORDER BY seq LIMIT %s
"""


@dataclass(frozen=True)
class Stream:
    """Which life of the projection this is and what of its log is kept."""

    id: str
    first_seq: int  # the smallest kept; 0 when the log is empty
    last_seq: int  # the greatest committed; 0 when the log is empty
    heartbeat_age: float | None  # seconds since the mirror was last at work; None when it never was


@dataclass(frozen=True)
class Change:
    """An object was written (`upsert`) or is gone (`delete`)."""

    seq: int
    kind: str
    uid: str
    namespace: str
    op: str


def select_stream(cursor: Cursor) -> Stream:
    """Raises SchemaMissing when the projection is gone or half made."""
    cursor.execute(_STREAM)
    row = cursor.fetchone()
    if row is None:
        raise SchemaMissing("projection.stream is empty: drop schema projection, it is made again", RETRY_SECONDS)
    return Stream(*row)


def select_changes(cursor: Cursor, after: int, limit: int) -> list[Change]:
    """At most `limit` changes with seq > `after`, oldest first. There is one writer: seq order is commit order."""
    cursor.execute(_CHANGES, (after, limit))
    return [Change(*row) for row in cursor.fetchall()]
