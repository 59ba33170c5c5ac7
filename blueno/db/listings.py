"""What the recorder has yet to do, and what it has done. Called by blueno/recorder/store.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from blueno.db.connect import Cursor


@dataclass(frozen=True)
class Pending:
    """A live data set whose current version is not loaded, not compared with its volume, or not known as indexed."""

    uid: str
    namespace: str
    name: str
    digest: str  # of the current version
    indexed: bool  # the Dataset's status says so
    listed: bool  # everything that its volume held at this version is loaded
    rows: int | None  # of the current version, when it is loaded


_PENDING = """
SELECT d.uid::text, d.namespace, d.name, d.version_digest, d.indexed_digest IS NOT DISTINCT FROM d.version_digest,
       l.digest IS NOT DISTINCT FROM d.version_digest, v.samples
FROM projection.dataset d
LEFT JOIN projection.listing l ON l.dataset_uid = d.uid
LEFT JOIN projection.version v ON v.dataset_uid = d.uid AND v.digest = d.version_digest
WHERE d.deleted_at IS NULL AND d.version_digest IS NOT NULL
  AND (v.id IS NULL OR l.digest IS DISTINCT FROM d.version_digest OR d.indexed_digest IS DISTINCT FROM d.version_digest)
ORDER BY d.changed_at, d.uid
"""
# Not before the mirror has copied the cluster once: until then every data set looks gone.
_ORPHANS = """
SELECT v.id FROM projection.version v
WHERE NOT EXISTS (SELECT FROM projection.dataset d WHERE d.uid = v.dataset_uid AND d.deleted_at IS NULL)
  AND EXISTS (SELECT FROM projection.stream WHERE resynced_at IS NOT NULL)
ORDER BY v.id
"""
_LOADED = "SELECT digest, id, sequence FROM projection.version WHERE dataset_uid = %s::uuid"
_LISTED = """
INSERT INTO projection.listing (dataset_uid, digest)
SELECT %(uid)s::uuid, %(digest)s
WHERE NOT EXISTS (
    SELECT FROM unnest(%(loaded)s::text[]) AS one (digest)
    WHERE NOT EXISTS (
        SELECT FROM projection.version v WHERE v.dataset_uid = %(uid)s::uuid AND v.digest = one.digest
    )
)
ON CONFLICT (dataset_uid) DO UPDATE SET digest = excluded.digest, listed_at = now()
"""
_FORGET = """
DELETE FROM projection.listing l
WHERE NOT EXISTS (SELECT FROM projection.dataset d WHERE d.uid = l.dataset_uid AND d.deleted_at IS NULL)
"""


def select_pending(cursor: Cursor) -> list[Pending]:
    """All of them, those that changed longest ago first."""
    cursor.execute(_PENDING)
    return [Pending(*row) for row in cursor.fetchall()]


def select_orphans(cursor: Cursor) -> list[int]:
    """Ids of loaded versions whose data set is gone."""
    cursor.execute(_ORPHANS)
    return [number for (number,) in cursor.fetchall()]


def select_loaded(cursor: Cursor, dataset_uid: str) -> dict[str, tuple[int, int]]:
    """Digest → (id, sequence) of the versions that are loaded."""
    cursor.execute(_LOADED, (dataset_uid,))
    return {digest: (number, sequence) for digest, number, sequence in cursor.fetchall()}


def note_listing(cursor: Cursor, dataset_uid: str, digest: str, loaded: Sequence[str]) -> None:
    """Everything listed while `digest` was the current version is loaded: the versions `loaded`, by digest.

    Nothing is noted when one of them is not there: the projection was dropped and made again since it was loaded.
    """
    cursor.execute(_LISTED, {"uid": dataset_uid, "digest": digest, "loaded": list(loaded)})


def forget_listings(cursor: Cursor) -> None:
    """Of data sets that are gone."""
    cursor.execute(_FORGET)
