"""One live Job for each object, attempts count up and no name comes twice; a stale writer changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from blueno import names
from tests.checker.finding import Finding, Invariant
from tests.checker.snapshot import Objects, Rows, Snapshot, called, condition, is_live, label, owner_of, pod_ended

Body = Mapping[str, Any]

_ROLES = (names.ROLE_PREPARE, names.ROLE_TRAIN)
_ATTEMPTS = 1 << 20  # a Lease's age comes before its count of holders: controllers/lease.py


def judge(snapshot: Snapshot) -> Iterator[Finding]:
    """Jobs and pods, directories, rows."""
    objects = snapshot.objects
    if objects is not None:
        for body in objects.ours():
            yield from _attempts(body, objects, snapshot.at_rest)
        yield from _names(snapshot, objects)
        if snapshot.at_rest:
            yield from _versions(snapshot, objects)
    yield from _directories(snapshot)
    if snapshot.rows is not None:
        yield from _rows(snapshot.rows, objects, snapshot)


def _attempts(body: Body, objects: Objects, at_rest: bool) -> Iterator[Finding]:
    uid, status = body["metadata"]["uid"], body.get("status") or {}
    jobs = [job for job in objects.owned("Job", uid) if label(job, names.ROLE_LABEL) in _ROLES]
    live = [job for job in jobs if is_live(job)]
    if len(live) > 1:
        yield _loose(called(body), f"{len(live)} Jobs at once: {', '.join(job['metadata']['name'] for job in live)}")
    for number, times in Counter(label(job, names.ATTEMPT_LABEL) for job in jobs).items():
        if times > 1:
            yield _loose(called(body), f"{times} Jobs are attempt {number}")
    known = (
        (status.get("work") or {}).get("attempt", 0) if body["kind"] == names.DATASET_KIND else status.get("attempt", 0)
    )
    for job in jobs:
        number = int(label(job, names.ATTEMPT_LABEL) or 0)
        if at_rest and number > known:
            yield _loose(called(body), f"{called(job)} is attempt {number}, its status knows of {known}")
        if at_rest and number < known and is_live(job):
            yield _loose(called(body), f"{called(job)} is at work, and attempt {known} is the current one")
    # A pod on a lost node is on its way out for ever: what it writes goes to a directory of its own.
    pods = [p for p in objects.owned("Pod", uid) if not pod_ended(p) and not p["metadata"].get("deletionTimestamp")]
    at_work = [*live, *(pod for pod in pods if label(pod, names.ROLE_LABEL) in _ROLES)]
    numbers = {label(body, names.ATTEMPT_LABEL) for body in at_work}
    if len(numbers) > 1:
        yield _loose(called(body), f"attempts {', '.join(sorted(numbers))} are at work at once")


def _names(snapshot: Snapshot, objects: Objects) -> Iterator[Finding]:
    """A child's name says whose it is and which attempt; it is never given to another one."""
    before = snapshot.before.objects if snapshot.before is not None else None
    earlier = {(b["metadata"]["namespace"], b["metadata"]["name"]): b for b in (before.all("Job") if before else ())}
    for job in objects.all("Job"):
        meta, uid = job["metadata"], owner_of(job)
        if not uid or label(job, names.ROLE_LABEL) not in _ROLES:
            continue
        number = label(job, names.ATTEMPT_LABEL)
        if uid.replace("-", "")[:8] not in meta["name"] or not meta["name"].endswith(f"-a{number}"):
            yield _loose(
                called(job), f"its name tells neither uid {uid[:8]} nor attempt {number}: another one may get it"
            )
        owners = [owner["uid"] for owner in meta.get("ownerReferences") or () if owner.get("controller")]
        if owners != [uid]:
            yield _loose(called(job), f"is labelled as uid {uid}'s and belongs to {owners or 'nobody'}")
        known = earlier.get((meta["namespace"], meta["name"]))
        if known is not None and known["metadata"]["uid"] != meta["uid"]:
            yield _loose(called(job), f"has the name of an earlier Job, uid {known['metadata']['uid']}")
    for claim in objects.all("PersistentVolumeClaim"):
        if owner_of(claim) and claim["metadata"].get("ownerReferences"):
            yield _loose(called(claim), "has an owner reference: garbage collection would erase data")


def _versions(snapshot: Snapshot, objects: Objects) -> Iterator[Finding]:
    """The status shows the newest version, with the number that the volume gave it."""
    for body in objects.all(names.DATASET_KIND):
        version = (body.get("status") or {}).get("version")
        if not version or condition(body, "Reconciling").get("status") == "True":
            continue
        for directory in snapshot.directories_of(body["metadata"]["uid"]):
            newest = directory.current
            if newest is not None and (newest["digest"], newest["sequence"]) != (
                version["digest"],
                version["sequence"],
            ):
                shown = f"version {version['sequence']} ({version['digest'][:8]})"
                real = f"{newest['sequence']} ({newest['digest'][:8]})"
                yield _loose(called(body), f"shows {shown}, and {real} is the newest on its volume")


def _directories(snapshot: Snapshot) -> Iterator[Finding]:
    for uid, times in Counter(directory.uid for directory in snapshot.directories or ()).items():
        if times > 1:
            yield _loose(f"Dataset uid {uid}", f"owns {times} directories")
    for directory in snapshot.directories or ():
        if directory.versions and not directory.uid:
            yield _loose(str(directory), "holds versions and belongs to nobody")
        numbers: dict[int, set[str]] = {}
        for pointer in directory.pointers.values():
            numbers.setdefault(pointer["sequence"], set()).add(pointer["digest"][:16])
        for number, digests in numbers.items():
            if len(digests) > 1:
                yield _loose(str(directory), f"{' and '.join(sorted(digests))} are both version {number}")
        bases = {version.folder for version in directory.versions}
        pointed = {pointer["digest"][:16] for pointer in directory.pointers.values()}
        if snapshot.at_rest and bases - pointed:
            yield _loose(str(directory), f"no work points to version {', '.join(sorted(bases - pointed))}")


def _rows(rows: Rows, objects: Objects | None, snapshot: Snapshot) -> Iterator[Finding]:
    resync = max((row["resync"] for row in rows.of("stream")), default=0)
    for table in ("dataset", "run"):
        for row in rows.of(table):
            if row["resync"] > resync:
                yield _loose(
                    f"row of {row['namespace']}/{row['name']}", f"is of copy {row['resync']}, the last is {resync}"
                )
    attempts = {row["uid"]: row["attempt"] for row in rows.of("run")}
    for table in ("metric", "log"):
        for row in rows.of(table):
            known = attempts.get(row["run_uid"])
            if known is not None and (row["attempt"] or 0) > known:
                yield _loose(
                    f"{table} of run {row['run_uid']}", f"is of attempt {row['attempt']}, the run is at {known}"
                )
    if objects is None or not snapshot.at_rest:
        return
    bodies = {body["metadata"]["uid"]: body for body in objects.ours()}
    for table in ("dataset", "run"):
        for row in rows.of(table):
            body = bodies.get(row["uid"])
            if body is not None and row["deleted_at"] is None:
                yield from _mirrored(row, body)
    yield from _lease(rows, objects)


def _mirrored(row: Body, body: Body) -> Iterator[Finding]:
    """The row is a copy of the object as it is now, not as a stale operator saw it."""
    about = f"row of {called(body)}"
    if row["rv"] > int(body["metadata"]["resourceVersion"]):
        yield _loose(about, f"is of resourceVersion {row['rv']}, the object of {body['metadata']['resourceVersion']}")
    shown = row["document"]
    for part in ("spec", "status"):
        if shown.get(part) != (body.get(part) or {}):
            yield _loose(about, f"its {part} is not the object's")


def _lease(rows: Rows, objects: Objects) -> Iterator[Finding]:
    lease = next((body for body in objects.all("Lease") if body["metadata"]["name"] == names.LEASE), None)
    fence = max((row["fence"] for row in rows.of("stream")), default=0)
    if lease is None or fence < _ATTEMPTS:
        return
    holders = int(lease["spec"].get("leaseTransitions", 0))
    if fence % _ATTEMPTS > holders:
        yield _loose("the mirror's fence", f"is of holder {fence % _ATTEMPTS}, the Lease has had {holders}")


def _loose(about: str, sentence: str) -> Finding:
    return Finding(Invariant.FENCING, about, sentence)
