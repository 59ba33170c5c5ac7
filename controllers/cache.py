"""The latest known state of every object the operator watches.

Filled by controllers/source.py (watches), controllers/sweep.py (lists) and controllers/writer.py (our own writes);
read by each kind's `observe`. In memory only: the API server is the truth.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from blueno import names
from blueno.resources.run_parts import keeping

Body = Mapping[str, Any]
Observer = Callable[[Body, bool], None]  # the object as it is kept, and whether it is gone
_REMEMBERED_DELETIONS = 4096
_KEPT_SPEC = (
    *("suspend", "storageClassName", "volumeName", "accessModes", "nodeName", "resources", "replicas"),
    *("claimRef", "nfs", "csi"),  # of PersistentVolumes
    "clusterIP",  # of Services
)


class Cache:
    """Objects by (kind, uid), with look-ups by name and by owner. Not thread-safe: one event loop uses it."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, Body]] = {}
        self._by_name: dict[tuple[str, str, str], str] = {}
        self._children: dict[tuple[str, str], dict[str, None]] = {}
        self._runs: dict[tuple[str, str, str], dict[str, None]] = {}  # (kind, namespace, name): runs that name it
        self._datasets: dict[str, dict[str, None]] = {}  # by namespace
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._observers: dict[str, list[Observer]] = {}

    def observe(self, kind: str, observer: Observer) -> None:
        """Tell `observer` of every change of this kind from now on, whoever brings it: watch, list, our own write."""
        self._observers.setdefault(kind, []).append(observer)

    def upsert(self, kind: str, body: Body) -> bool:
        """Keep `body` unless something newer is known; says whether it was news."""
        meta = body["metadata"]
        uid = meta["uid"]
        if uid in self._gone:  # a late event of an object whose deletion was already seen
            return False
        known = self._objects.get(kind, {}).get(uid)
        if known is not None and _version(known) >= _version(body):
            return False
        kept = self._objects.setdefault(kind, {})[uid] = slim(kind, body)
        self._by_name[kind, meta.get("namespace", ""), meta["name"]] = uid
        if owner := owner_uid(body):
            self._children.setdefault((kind, owner), {})[uid] = None
        if kind == names.DATASET_KIND:
            self._datasets.setdefault(meta.get("namespace", ""), {})[uid] = None
        self._index_run(kind, known, kept)
        self._tell(kind, kept, gone=False)
        return True

    def remove(self, kind: str, uid: str) -> Body | None:
        """Forget an object; returns what was known of it."""
        self._gone[uid] = None
        while len(self._gone) > _REMEMBERED_DELETIONS:
            self._gone.popitem(last=False)
        body = self._objects.get(kind, {}).pop(uid, None)
        if body is None:
            return None
        meta = body["metadata"]
        place = (kind, meta.get("namespace", ""), meta["name"])
        if self._by_name.get(place) == uid:
            del self._by_name[place]
        if kind == names.DATASET_KIND:
            self._datasets.get(meta.get("namespace", ""), {}).pop(uid, None)
        if owner := owner_uid(body):
            siblings = self._children.get((kind, owner), {})
            siblings.pop(uid, None)
            if not siblings:
                self._children.pop((kind, owner), None)
        self._index_run(kind, body, None)
        self._tell(kind, body, gone=True)
        return body

    def _index_run(self, kind: str, before: Body | None, after: Body | None) -> None:
        if kind != names.TRAINING_RUN_KIND:
            return
        old, new = (set() if body is None else _used_by(body) for body in (before, after))
        uid = (after or before or {})["metadata"]["uid"]
        for place in new - old:
            self._runs.setdefault(place, {})[uid] = None
        for place in old - new:
            runs = self._runs.get(place, {})
            runs.pop(uid, None)
            if not runs:
                self._runs.pop(place, None)

    def _tell(self, kind: str, body: Body, gone: bool) -> None:
        for observer in self._observers.get(kind, ()):
            observer(body, gone)

    def get(self, kind: str, uid: str) -> Body | None:
        return self._objects.get(kind, {}).get(uid)

    def named(self, kind: str, namespace: str, name: str) -> Body | None:
        uid = self._by_name.get((kind, namespace, name))
        return self.get(kind, uid) if uid else None

    def children(self, kind: str, owner: str) -> tuple[Body, ...]:
        """Objects of `kind` that carry the label of the owner's uid."""
        objects = self._objects.get(kind, {})
        return tuple(objects[uid] for uid in self._children.get((kind, owner), ()))

    def runs_of(self, namespace: str, dataset: str) -> tuple[Body, ...]:
        """TrainingRuns that name this Dataset and are not over: thousands that are over cost nothing."""
        return self._runs_that_name(names.DATASET_KIND, namespace, dataset)

    def runs_on(self, namespace: str, claim: str) -> tuple[Body, ...]:
        """TrainingRuns that write to this claim and are not over."""
        return self._runs_that_name(names.CLAIM_KIND, namespace, claim)

    def _runs_that_name(self, kind: str, namespace: str, name: str) -> tuple[Body, ...]:
        runs = self._objects.get(names.TRAINING_RUN_KIND, {})
        return tuple(runs[uid] for uid in self._runs.get((kind, namespace, name), ()))

    def datasets_in(self, namespace: str) -> tuple[Body, ...]:
        """All Datasets of a namespace."""
        datasets = self._objects.get(names.DATASET_KIND, {})
        return tuple(datasets[uid] for uid in self._datasets.get(namespace, ()))

    def all(self, kind: str) -> Iterator[Body]:
        yield from tuple(self._objects.get(kind, {}).values())

    def count(self, kind: str) -> int:
        return len(self._objects.get(kind, {}))


def _used_by(run: Body) -> set[tuple[str, str, str]]:
    """(kind, namespace, name) of the Datasets that a run reads and the claim that it writes; none when it is over."""
    conditions = run["status"].get("conditions") or ()
    if any(c["type"] == "Succeeded" and c["status"] in ("True", "False") for c in conditions):
        return set()
    namespace = run["metadata"].get("namespace", "")
    read = {(names.DATASET_KIND, namespace, str(entry.get("name"))) for entry in run["spec"].get("datasets") or ()}
    return read | {(names.CLAIM_KIND, namespace, keeping(run["spec"]).claim)}


def owner_uid(body: Body) -> str | None:
    """The uid of the object of ours that `body` was made for, from its label."""
    value = (body["metadata"].get("labels") or {}).get(names.OWNER_UID)
    return str(value) if value else None


def tenant_namespace(body: Body) -> str | None:
    """The namespace whose NFS server `body` is a part of, from its label."""
    value = (body["metadata"].get("labels") or {}).get(names.TENANT_NAMESPACE)
    return str(value) if value else None


def owner_kind(body: Body) -> str:
    """That object's kind."""
    return str((body["metadata"].get("labels") or {}).get(names.OWNER_KIND) or names.DATASET_KIND)


def slim(kind: str, body: Body) -> Body:
    """What is worth keeping: no managedFields, and of Jobs, Pods and claims no more than decisions need."""
    meta = {key: value for key, value in body["metadata"].items() if key not in ("managedFields", "selfLink")}
    if kind in names.KINDS:
        return {"metadata": meta, "spec": body.get("spec") or {}, "status": body.get("status") or {}}
    notes = meta.pop("annotations", None) or {}
    if names.PINNED in notes:
        meta["annotations"] = {names.PINNED: notes[names.PINNED]}
    spec = body.get("spec") or {}
    kept = {key: spec[key] for key in _KEPT_SPEC if key in spec}
    return {"metadata": meta, "spec": kept, "status": body.get("status") or {}}


def _version(body: Body) -> int:
    """resourceVersions are comparable numbers (guaranteed since Kubernetes 1.35, true of etcd before)."""
    return int(body["metadata"].get("resourceVersion") or 0)
