"""Tables of the projection that hold objects of the cluster, and the statements that write them. Called by mirror.py.

`TABLES` says by kind where an object's row goes. Each is written in the same way: by uid, newest resourceVersion wins,
what is gone is buried and pruned later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from blueno import names

TOMBSTONE_DAYS = 7


@dataclass(frozen=True)
class Table:
    """One kind's table. `seen` are the columns that people see: when none of them differs, nothing has changed."""

    kind: str
    name: str
    seen: tuple[str, ...]
    kept: str = ""  # SQL condition on `buried`: it is not pruned while this does not hold
    lineage: bool = False  # its column `datasets` is also kept as rows

    @property
    def columns(self) -> tuple[str, ...]:
        """Everything that a row of mirror.Entry has."""
        return ("uid", "rv", "generation", "created_at", *self.seen)

    @property
    def upsert(self) -> str:
        """Values for execute_values. In a full copy the cluster is right also when its numbers are lower than ours (it
        was restored from a backup)."""
        return f"""
INSERT INTO {self.name} AS stored ({", ".join(self.columns)}, resync) VALUES %s
ON CONFLICT (uid) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in self.columns[1:])},
    resync = excluded.resync,
    deleted_at = NULL,
    changed_at = CASE WHEN stored.deleted_at IS NULL
        AND ({", ".join(f"stored.{name}" for name in self.seen)})
            IS NOT DISTINCT FROM ({", ".join(f"excluded.{name}" for name in self.seen)})
        THEN stored.changed_at ELSE now() END
WHERE stored.rv < excluded.rv OR stored.deleted_at IS NOT NULL
    OR (stored.rv > excluded.rv AND stored.resync < excluded.resync)
RETURNING uid::text, namespace, changed_at = now()
"""  # noqa: S608  # our constants

    @property
    def touch(self) -> str:
        """(resync, uids, resync): a full copy has seen these."""
        return f"UPDATE {self.name} SET resync = %s WHERE uid = ANY(%s::uuid[]) AND resync < %s"  # noqa: S608

    @property
    def bury(self) -> str:
        """(uids): they are gone."""
        return f"""
UPDATE {self.name} SET deleted_at = now(), changed_at = now()
WHERE uid = ANY(%s::uuid[]) AND deleted_at IS NULL RETURNING uid::text, namespace
"""  # noqa: S608  # our constants

    @property
    def bury_unseen(self) -> str:
        """(resync): what the full copy has not seen is gone."""
        return f"""
UPDATE {self.name} SET deleted_at = now(), changed_at = now()
WHERE deleted_at IS NULL AND resync < %s RETURNING uid::text, namespace, name, now()
"""  # noqa: S608  # our constants

    @property
    def prune(self) -> str:
        """Forget what has long been buried."""
        condition = f" AND {self.kept}" if self.kept else ""
        long_ago = f"deleted_at < now() - interval '{TOMBSTONE_DAYS} days'"
        return f"DELETE FROM {self.name} AS buried WHERE {long_ago}{condition}"  # noqa: S608  # our constants


DATASETS: Final = Table(
    names.DATASET_KIND,
    "projection.dataset",
    (
        *("namespace", "name", "display_name", "ready", "reconciling", "stalled", "reason", "message", "stage"),
        *("percentage", "remaining_seconds", "samples", "bytes", "classes", "version_digest", "version_sequence"),
        *("indexed_digest", "managed_by", "document"),
    ),
    # Only when the recorder has put away what it had loaded of it.
    kept="NOT EXISTS (SELECT FROM projection.version WHERE dataset_uid = buried.uid)",
)
TRAINING_RUNS: Final = Table(
    names.TRAINING_RUN_KIND,
    "projection.training_run",
    (
        *("namespace", "name", "state", "reason", "message", "stalled", "suspended", "percentage"),
        *("remaining_seconds", "metrics", "objective", "datasets", "parameters", "gpus", "nodes", "num_nodes"),
        *("gpu_seconds", "wall_seconds", "running_since", "attempt", "restarts", "queue", "started_at", "ended_at"),
        *("managed_by", "document"),
    ),
    lineage=True,
)
SAMPLES: Final = Table(
    names.SAMPLE_KIND,
    "projection.sample_object",
    (
        *("namespace", "name", "dataset", "dataset_uid", "ready", "reconciling", "stalled", "reason", "message"),
        *("key", "samples", "rejected", "managed_by", "document"),
    ),
)
TABLES: Final[Mapping[str, Table]] = MappingProxyType(
    {table.kind: table for table in (DATASETS, TRAINING_RUNS, SAMPLES)}
)

# (uids) of runs whose rows were written in this transaction. What is the same is not written again.
FORGET_LINEAGE: Final = """
DELETE FROM projection.run_dataset AS known USING projection.training_run AS run
WHERE known.run_uid = run.uid AND run.uid = ANY(%(uids)s::uuid[])
    AND NOT EXISTS (SELECT FROM jsonb_array_elements(run.datasets) AS used WHERE used->>'name' = known.dataset)
"""
WRITE_LINEAGE: Final = """
INSERT INTO projection.run_dataset AS known (run_uid, namespace, dataset, digest)
SELECT run.uid, run.namespace, used.name, used.digest
FROM projection.training_run AS run, jsonb_to_recordset(run.datasets) AS used (name text, digest text)
WHERE run.uid = ANY(%(uids)s::uuid[])
ON CONFLICT (run_uid, dataset) DO UPDATE SET digest = excluded.digest
WHERE known.digest IS DISTINCT FROM excluded.digest
"""
