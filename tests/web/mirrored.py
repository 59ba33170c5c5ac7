"""Data sets and training runs in the database, written by the operator's own mirror code. Used by tests/web."""

from __future__ import annotations

import itertools
import json
import uuid
from datetime import UTC, datetime
from typing import Any

from blueno import names
from blueno.db.config import DatabaseConfig
from blueno.db.mirror import Entry, MirrorSession, Turn
from blueno.resources.row import said
from controllers.sample.project import project_row as project_sample
from controllers.training_run.project import project_row
from tests.runs import a_run

_versions = itertools.count(1000)


def uid_of(namespace: str, name: str) -> str:
    """The same for the same name."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{namespace}.test"))


class Mirrored:
    """A mirror session; `close` and make a new one after PostgreSQL was away."""

    def __init__(self, config: DatabaseConfig) -> None:
        self._session = MirrorSession(config, lambda: 1)
        self._session.finish_copy()

    def put(self, namespace: str = "lab", name: str = "digits", **fields: Any) -> str:
        """A data set as it is from now on; its uid."""
        return self.put_many([(namespace, name)], **fields)[0]

    def put_many(self, names: list[tuple[str, str]], **fields: Any) -> list[str]:
        """Several in one transaction."""
        entries = [_entry(namespace, name, fields) for namespace, name in names]
        self._session.write(entries)
        return [entry.uid for entry in entries]

    def put_run(self, name: str = "train", namespace: str = "lab", **fields: Any) -> str:
        """A training run as it is from now on (`fields` as in tests/runs.py); its uid."""
        body = a_run(name, namespace, **fields)
        uid: str = body["metadata"]["uid"]
        shown = said(body, "Succeeded")
        turns = () if shown is None else (Turn(datetime.now(UTC), "Succeeded", *shown[:3]),)
        self._session.write([Entry(names.TRAINING_RUN_KIND, uid, namespace, name, project_row(body), turns)])
        return uid

    def put_sample(self, name: str, namespace: str = "lab", **fields: Any) -> None:
        """A Sample object of `spec` and `status` as it is from now on."""
        meta = {"name": name, "namespace": namespace, "uid": uid_of(namespace, name), "generation": 1}
        meta |= {"resourceVersion": str(next(_versions)), "creationTimestamp": "2026-03-01T10:00:00Z"}
        row = project_sample({"metadata": meta, **fields})
        self._session.write([Entry(names.SAMPLE_KIND, meta["uid"], namespace, name, row, ())])

    def remove_run(self, name: str = "train", namespace: str = "lab") -> None:
        """It is deleted."""
        turn = Turn(datetime.now(UTC), "Deleted", "True", "Deleted", "")
        uid = a_run(name, namespace)["metadata"]["uid"]
        self._session.write([Entry(names.TRAINING_RUN_KIND, uid, namespace, name, None, (turn,))])

    def remove(self, namespace: str = "lab", name: str = "digits") -> None:
        """It is deleted."""
        self._session.write([Entry(names.DATASET_KIND, uid_of(namespace, name), namespace, name, None, ())])

    def beat(self) -> None:
        """A heartbeat."""
        self._session.write([])

    def prune(self) -> None:
        self._session.prune()

    def close(self) -> None:
        self._session.close()


def _entry(namespace: str, name: str, fields: dict[str, Any]) -> Entry:
    spec = {"source": {"tfds": {"name": "mnist"}}, **fields.get("spec", {})}
    row = {
        "uid": uid_of(namespace, name),
        "rv": next(_versions),
        "generation": 1,
        "created_at": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "namespace": namespace,
        "name": name,
        "display_name": None,
        "ready": False,
        "reconciling": True,
        "stalled": False,
        "reason": "Preparing",
        "message": "a pod prepares",
        **dict.fromkeys(("stage", "percentage", "remaining_seconds", "samples", "bytes", "classes")),
        **dict.fromkeys(("version_digest", "version_sequence", "indexed_digest", "managed_by")),
        **{key: value for key, value in fields.items() if key not in ("spec", "status", "turns")},
    }
    row["document"] = json.dumps({"spec": spec, "status": fields.get("status", {})})
    turns = tuple(Turn(datetime.now(UTC), "Ready", "False", reason, "m") for reason in fields.get("turns", ()))
    return Entry(names.DATASET_KIND, str(row["uid"]), namespace, name, row, turns)
