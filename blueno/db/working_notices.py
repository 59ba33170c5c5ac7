"""Notes that a working set is being, or has been, written to: so that its rows in PostgreSQL follow at once, and follow
even when who wrote died before it could tell. Called by webui/ around each write, and by who else lets somebody write.

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
_TELL_NAMED = """
INSERT INTO projection.working_notice AS n (dataset_uid, number, open, began_at)
SELECT uid, 1, 0, clock_timestamp() FROM projection.dataset
WHERE deleted_at IS NULL AND namespace = %s AND name = ANY(%s) ORDER BY uid
ON CONFLICT (dataset_uid) DO UPDATE SET number = n.number + 1
"""
_NOTIFY = "SELECT pg_notify(%s, %s)"


def begin(cursor: Cursor, dataset_uid: str) -> None:
    """Somebody is about to write. In a transaction that is committed before the write is passed on."""
    cursor.execute(_BEGIN, (dataset_uid,))


def tell(cursor: Cursor, dataset_uid: str, *, began: bool = True) -> None:
    """The write has ended, well or not. `began`: it was noted before."""
    cursor.execute(_TELL, (dataset_uid, int(began)))
    cursor.execute(_NOTIFY, (CHANNEL, dataset_uid))


def tell_named(cursor: Cursor, namespace: str, names: Sequence[str]) -> None:
    """Something may have changed in the working sets of these data sets: for who knows them by name only."""
    cursor.execute(_TELL_NAMED, (namespace, list(names)))
    cursor.execute(_NOTIFY, (CHANNEL, ""))
