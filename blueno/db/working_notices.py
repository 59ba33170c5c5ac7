"""Notes that a working set is being, or has been, written to: so that its rows in PostgreSQL follow at once, and follow
even when who wrote died before it could tell. Called by webui/ around each write, and by mirror.py for Jobs of Samples.

`begin` is committed before the data server sees the write; `tell` when it has answered. What the recorder makes of them
is in working_pending.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from blueno.db.connect import Cursor

CHANNEL = "blueno_working"  # NOTIFY: there is something new in a working set; the payload is the data set's uid
LONGEST_SECONDS = 900.0  # no write takes longer from `begin` to its end: one that does has lost whoever began it

_BEGIN = """
INSERT INTO projection.working_notice AS n (dataset_uid, number, open, began_at)
VALUES (%s::uuid, 0, 1, clock_timestamp())
ON CONFLICT (dataset_uid) DO UPDATE SET open = n.open + 1, began_at = clock_timestamp()
"""
_TELL = """
INSERT INTO projection.working_notice AS n (dataset_uid, number, open, began_at)
VALUES (%s::uuid, 1, 0, clock_timestamp())
ON CONFLICT (dataset_uid) DO UPDATE SET number = n.number + 1, open = greatest(0, n.open - %s)
"""
# `dataset_uid` of a Sample is text that somebody with rights on its status may have written.
_TELL_OF_SAMPLES = """
INSERT INTO projection.working_notice AS n (dataset_uid, number, open, began_at)
SELECT uid, 1, 0, clock_timestamp() FROM (
    SELECT DISTINCT CASE WHEN dataset_uid ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN dataset_uid::uuid END
    FROM projection.sample_object WHERE uid = ANY(%s::uuid[])
) AS written (uid)
WHERE uid IS NOT NULL ORDER BY uid
ON CONFLICT (dataset_uid) DO UPDATE SET number = n.number + 1
"""
# By so much, because somebody may still note as heard what was the next number before the database lost some.
_TELL_OF_ALL = """
INSERT INTO projection.working_notice AS n (dataset_uid, number, open, began_at)
SELECT dataset_uid, 1000000, 0, clock_timestamp() FROM projection.working_set ORDER BY dataset_uid
ON CONFLICT (dataset_uid) DO UPDATE SET number = n.number + 1000000
"""
_NOTIFY = "SELECT pg_notify(%s, %s)"


def begin(cursor: Cursor, dataset_uid: str) -> None:
    """Somebody is about to write. In a transaction that is committed before the write is passed on."""
    cursor.execute(_BEGIN, (dataset_uid,))


def tell(cursor: Cursor, dataset_uid: str, *, began: bool = True) -> None:
    """The write has ended, well or not. `began`: it was noted before."""
    cursor.execute(_TELL, (dataset_uid, int(began)))
    cursor.execute(_NOTIFY, (CHANNEL, dataset_uid))


def tell_of_samples(cursor: Cursor, uids: Sequence[str]) -> None:
    """These Sample objects have changed or are gone: a Job may have written to the working sets that they belong to."""
    cursor.execute(_TELL_OF_SAMPLES, (list(uids),))
    if cursor.rowcount:
        cursor.execute(_NOTIFY, (CHANNEL, ""))


def tell_of_all(cursor: Cursor) -> None:
    """Any working set may have been written to, and nobody knows to which."""
    cursor.execute(_TELL_OF_ALL)
    cursor.execute(_NOTIFY, (CHANNEL, ""))
