"""Of a uid that is gone nothing is left; what was to be kept is there; what takes long to go says why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from blueno import names
from tests.checker.finding import Finding, Invariant
from tests.checker.snapshot import Objects, Rows, Snapshot, called, condition, is_live, label, owner_of

Body = Mapping[str, Any]

PATIENCE = 30.0  # seconds that a deletion may take without a word
_WORKS = ("Job", "Pod", "Deployment", "Service")
_OURS = (names.ERASE_FINALIZER, names.IN_USE_FINALIZER)


def judge(snapshot: Snapshot) -> Iterator[Finding]:
    """Only of what is at rest. Directories and rows need the objects, to know who is gone."""
    objects = snapshot.objects
    if objects is None or not snapshot.at_rest:
        return
    for body in objects.ours():
        yield from _finalizers(body)
        if body["metadata"].get("deletionTimestamp"):
            yield from _leaving(body, snapshot, objects)
    yield from _children(snapshot, objects)
    yield from _volumes(snapshot, objects)
    if snapshot.rows is not None:
        yield from _rows(snapshot.rows, objects)


def _finalizers(body: Body) -> Iterator[Finding]:
    for name in body["metadata"].get("finalizers") or ():
        if "kopf" in name:
            yield _left(called(body), f"carries finalizer {name}, which nobody takes off")
        elif name.startswith(f"{names.GROUP}/") and name not in _OURS:
            yield _left(called(body), f"carries finalizer {name}, which is none of ours")


def _leaving(body: Body, snapshot: Snapshot, objects: Objects) -> Iterator[Finding]:
    meta = body["metadata"]
    held = [name for name in meta.get("finalizers") or () if name in _OURS]
    asked = datetime.fromisoformat(meta["deletionTimestamp"])
    if not held or (snapshot.taken - asked).total_seconds() < PATIENCE:
        return
    ready = condition(body, "Ready")
    if body["kind"] == names.SAMPLE_KIND:
        works = any(is_live(job) for job in objects.all("Job") if label(job, names.ROLE_LABEL) == names.ROLE_INGEST)
        if not works and ready.get("reason") != "Removing" and objects.asked("Job"):
            yield _left(called(body), f"is being taken out since {asked}, and nobody does it")
    elif ready.get("reason") not in ("InUse", "Erasing") or not ready.get("message"):
        yield _left(called(body), f"has been on its way out since {asked} and does not say what holds it up")
    elif ready["reason"] == "InUse" and not _users(body, objects):
        yield _left(called(body), "is held up by training runs, and there is none that uses it")
    elif ready["reason"] == "Erasing" and condition(body, "Stalled").get("status") != "True":
        erases = any(is_live(job) for job in objects.owned("Job", meta["uid"]))
        going = any(c["metadata"].get("deletionTimestamp") for c in objects.owned("PersistentVolumeClaim", meta["uid"]))
        if not erases and not going and objects.asked("Job", "PersistentVolumeClaim"):
            yield _left(called(body), f"is being erased since {asked}, and nobody does it")


def _users(body: Body, objects: Objects) -> list[Body]:
    meta = body["metadata"]
    return [
        run
        for run in objects.all(names.TRAINING_RUN_KIND)
        if run["metadata"]["namespace"] == meta["namespace"]
        and any(use["name"] == meta["name"] for use in run["spec"].get("datasets") or ())
        and (condition(run, "Succeeded").get("status") == "Unknown" or objects.owned("Job", run["metadata"]["uid"]))
    ]


def _children(snapshot: Snapshot, objects: Objects) -> Iterator[Finding]:
    for kind in (*_WORKS, "PersistentVolumeClaim", "PersistentVolume"):
        for body in objects.all(kind):
            uid = owner_of(body)
            if not uid or uid in objects.uids or label(body, names.OWNER_KIND) == names.CLAIM_KIND:
                continue
            if kind in _WORKS:
                yield _left(called(body), f"belongs to uid {uid}, which is gone")
            elif _is_empty(body) or _policy(snapshot.gone.get(uid)) == "Delete":
                yield _left(
                    called(body), f"belongs to Dataset uid {uid}, which is gone, and holds nothing that is kept"
                )
    for uid, gone in snapshot.gone.items():
        yield from _kept(uid, gone, snapshot, objects)


def _is_empty(body: Body) -> bool:
    """Claims and volumes of static kinds hold no data: it lies on a server or a node."""
    volume = body["spec"].get("volumeName", "")
    return body["kind"] == "PersistentVolume" or volume == names.volume_name(owner_of(body))


def _policy(body: Body | None) -> str:
    return str(((body or {}).get("spec") or {}).get("reclaimPolicy", "Retain")) if body is not None else ""


def _kept(uid: str, gone: Body, snapshot: Snapshot, objects: Objects) -> Iterator[Finding]:
    """reclaimPolicy Retain: the claim, and the directory with every version that it had."""
    before = snapshot.before
    if gone["kind"] != names.DATASET_KIND or _policy(gone) != "Retain" or before is None or before.objects is None:
        return
    for claim in before.objects.owned("PersistentVolumeClaim", uid):
        there = any(c["metadata"]["uid"] == claim["metadata"]["uid"] for c in objects.all("PersistentVolumeClaim"))
        if not _is_empty(claim) and not there:
            yield _left(called(claim), "is gone though its Dataset's reclaimPolicy was Retain")
    if snapshot.directories is None:
        return
    now = {directory.place: directory for directory in snapshot.directories}
    for directory in before.directories_of(uid):
        kept = now.get(directory.place)
        if kept is None or {v.folder for v in kept.versions} < {v.folder for v in directory.versions}:
            yield _left(str(directory), "has lost what was to be kept: its Dataset's reclaimPolicy was Retain")


def _volumes(snapshot: Snapshot, objects: Objects) -> Iterator[Finding]:
    for directory in snapshot.directories or ():
        if _policy(snapshot.gone.get(directory.uid)) == "Delete":
            yield _left(str(directory), f"was to be erased with Dataset uid {directory.uid}")
    for uid in snapshot.reservations:
        if uid in snapshot.gone:
            yield _left(f"reservation of {uid}", "takes up room for a Dataset that is gone")


def _rows(rows: Rows, objects: Objects) -> Iterator[Finding]:
    kinds = {"dataset": names.DATASET_KIND, "run": names.TRAINING_RUN_KIND}
    for table, kind in kinds.items():
        if not objects.asked(kind):
            continue
        there = {body["metadata"]["uid"] for body in objects.all(kind)}
        for row in rows.of(table):
            if row["deleted_at"] is None and row["uid"] not in there:
                yield _left(
                    f"row of {kind} {row['namespace']}/{row['name']}", f"is shown, and uid {row['uid']} is gone"
                )
            if row["deleted_at"] is not None and row["uid"] in there:
                yield _left(f"row of {kind} {row['namespace']}/{row['name']}", "is buried, and the object is there")
        missing = there - {row["uid"] for row in rows.of(table)}
        for body in objects.all(kind):
            if body["metadata"]["uid"] in missing:
                yield _left(called(body), "has no row")
    if objects.asked(names.DATASET_KIND):
        there = {body["metadata"]["uid"] for body in objects.all(names.DATASET_KIND)}
        for table in ("version", "listing"):
            for row in rows.of(table):
                if row["dataset_uid"] not in there:
                    yield _left(
                        f"{table} {row['digest'][:16]}", f"is of Dataset uid {row['dataset_uid']}, which is gone"
                    )


def _left(about: str, sentence: str) -> Finding:
    return Finding(Invariant.DELETION, about, sentence)
