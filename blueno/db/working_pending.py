"""Which working sets the recorder has to read from their data servers. Called by blueno/recorder/workingstore.py."""

from __future__ import annotations

from dataclasses import dataclass

from blueno.db.connect import Cursor
from blueno.db.working_notices import LONGEST_SECONDS


@dataclass(frozen=True)
class PendingSet:
    """A live data set whose working set may hold more than is in PostgreSQL."""

    uid: str
    namespace: str
    name: str
    revision: int | None  # up to where it was read; None: it never was
    number: int  # of the notice that is to be heard
    told: bool  # there is something new, or it is not known that there is not: whatever it takes, it has to be read
    open: bool  # somebody is writing: worth a look, if the data server is up
    seconds: float  # since it was read last

    def __lt__(self, other: PendingSet) -> bool:
        """What is known to be new comes first, then what was read longest ago."""
        return (not self.told, -self.seconds) < (not other.told, -other.seconds)


# A data set with a version is read along with the list of its versions (recorder/load.py); it is due here when that was
# done by a recorder that knew nothing of working sets.
_PENDING = """
SELECT d.uid::text, d.namespace, d.name, w.revision, coalesce(n.number, 0),
    w.dataset_uid IS NULL OR n.number IS DISTINCT FROM w.heard AND n.number IS NOT NULL
        OR coalesce(s.sealed > w.revision, false)
        OR coalesce(n.open > 0 AND n.began_at < now() - %(longest)s * interval '1 s', false),
    coalesce(n.open > 0, false),
    coalesce(extract(epoch FROM clock_timestamp() - w.read_at), 1e9)::float8
FROM projection.dataset d
LEFT JOIN projection.working_set w ON w.dataset_uid = d.uid
LEFT JOIN projection.working_notice n ON n.dataset_uid = d.uid
LEFT JOIN projection.listing l ON l.dataset_uid = d.uid
LEFT JOIN LATERAL (
    SELECT max(v.working) AS sealed FROM projection.version v WHERE v.dataset_uid = w.dataset_uid
) s ON true
WHERE d.deleted_at IS NULL AND (
    w.dataset_uid IS NULL AND (
        n.number IS NOT NULL OR d.document #>> '{status,working,accepts}' = 'true'
        OR l.digest = d.version_digest)
    OR n.number <> w.heard OR n.open > 0 OR s.sealed > w.revision)
"""
_ORPHANS = """
SELECT t.dataset_uid::text FROM (
    SELECT dataset_uid FROM projection.working_set UNION SELECT dataset_uid FROM projection.working_notice
) t
WHERE NOT EXISTS (SELECT FROM projection.dataset d WHERE d.uid = t.dataset_uid AND d.deleted_at IS NULL)
    AND EXISTS (SELECT FROM projection.stream WHERE resynced_at IS NOT NULL)
ORDER BY 1 LIMIT 100
"""
_HEARD = "UPDATE projection.working_set SET heard = %s, read_at = clock_timestamp() WHERE dataset_uid = %s::uuid"
_CLOSE = """
UPDATE projection.working_notice SET open = 0
WHERE dataset_uid = %s::uuid AND open > 0 AND began_at < now() - %s * interval '1 s' - %s * interval '1 s'
"""


def select_pending_sets(cursor: Cursor) -> list[PendingSet]:
    """What is known to be new first, then what was read longest ago."""
    cursor.execute(_PENDING, {"longest": LONGEST_SECONDS})
    return sorted(PendingSet(*row) for row in cursor.fetchall())


def select_orphan_sets(cursor: Cursor) -> list[str]:
    """uids of data sets that are gone and of whose working set something is left; not all at once."""
    cursor.execute(_ORPHANS)
    return [uid for (uid,) in cursor.fetchall()]


def note_heard(cursor: Cursor, uid: str, number: int, took: float) -> None:
    """All was read that was there when `number` was the notice's, `took` seconds ago. Who began to write so long before
    that they must have ended, and never told, are not waited for any longer."""
    cursor.execute(_HEARD, (number, uid))
    cursor.execute(_CLOSE, (uid, LONGEST_SECONDS, took))
