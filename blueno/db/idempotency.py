"""Answers kept under an Idempotency-Key: schema `record`. Called by webui/idempotency.py, in a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from blueno.db.connect import Cursor

KEPT = "24 hours"
_SWEPT = 100  # old rows that one request takes along
_OLD = f"""
DELETE FROM record.idempotency WHERE ctid IN (
    SELECT ctid FROM record.idempotency WHERE begun_at < now() - interval '{KEPT}' LIMIT {_SWEPT}
)
"""  # noqa: S608  # constants
_BEGIN = """
INSERT INTO record.idempotency (person_id, key, sum, process) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
RETURNING begun_at
"""
_FOUND = """
SELECT sum, process, begun_at, extract(epoch FROM clock_timestamp() - touched_at)::float8, status, answer
FROM record.idempotency WHERE person_id = %s AND key = %s FOR UPDATE
"""
_TAKE = "UPDATE record.idempotency SET process = %s, touched_at = clock_timestamp() WHERE person_id = %s AND key = %s"


@dataclass(frozen=True)
class Kept:
    """What is known of a key. `status` None: somebody is at it."""

    total: bytes
    status: int | None
    answer: str | None


def begin(cursor: Cursor, person_id: int, key: str, total: bytes, process: tuple[str, float]) -> datetime | Kept:
    """When it was first begun, if the caller is to act now: nobody is at it. Else what is there already.

    `process`: who the caller is, and for how many seconds another one is believed to be at work.
    """
    cursor.execute(_OLD)
    cursor.execute(_BEGIN, (person_id, key, total, process[0]))
    row = cursor.fetchone()
    if row is not None:
        begun: datetime = row[0]
        return begun
    cursor.execute(_FOUND, (person_id, key))
    found = cursor.fetchone()
    if found is None:  # swept or forgotten in this moment
        return begin(cursor, person_id, key, total, process)
    known, by, begun_at, seconds, status, answer = found
    kept = Kept(bytes(known), status, answer)
    if status is not None or kept.total != total or (by != process[0] and seconds < process[1]):
        return kept
    cursor.execute(_TAKE, (process[0], person_id, key))
    first: datetime = begun_at
    return first


def keep(cursor: Cursor, person_id: int, key: str, status: int, answer: str | None) -> None:
    """How it was answered."""
    cursor.execute(
        "UPDATE record.idempotency SET status = %s, answer = %s WHERE person_id = %s AND key = %s",
        (status, answer, person_id, key),
    )


def forget(cursor: Cursor, person_id: int, key: str) -> None:
    """It was refused: the same key may try again."""
    cursor.execute("DELETE FROM record.idempotency WHERE person_id = %s AND key = %s", (person_id, key))
