"""Sizes and numbers stay under their limits: objects, lists in them, Jobs, staging, logs, series."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from blueno import names
from tests.checker.finding import Finding, Invariant
from tests.checker.snapshot import Objects, Rows, Snapshot, called, is_live, owner_of

Body = Mapping[str, Any]

# Of a run there are 64 metrics and 256 pods.
STATUS_BYTES = {names.DATASET_KIND: 8 << 10, names.TRAINING_RUN_KIND: 32 << 10, names.SAMPLE_KIND: 8 << 10}
MESSAGE = 1024
JOBS = 25  # of one object: 20 attempts that say nothing end a work
EVENTS = 100  # of ours about one object
LISTS = {  # path in the status: entries
    "conditions": 16, "earlierVersions": 10, "usedBy.names": 10, "badSamples.first": 5, "shapes": 8, "splits": 64,
    "nodes": 64, "pods": 256, "failure.lastLines": 10, "trainerStatus.metrics": 64,
}  # fmt: skip
LOG_BYTES = 64 << 20
POINTS = 50_000


def judge(snapshot: Snapshot) -> Iterator[Finding]:
    """Objects, volumes, rows."""
    if snapshot.objects is not None:
        yield from _objects(snapshot.objects)
    yield from _volumes(snapshot)
    if snapshot.rows is not None:
        yield from _rows(snapshot.rows)


def _objects(objects: Objects) -> Iterator[Finding]:
    for body in objects.ours():
        yield from _status(body)
    for uid, count in Counter(owner_of(job) for job in objects.all("Job")).items():
        if uid and count > JOBS:
            yield _large(f"uid {uid}", f"has {count} Jobs")
    ours = [event for event in objects.all("Event") if (event.get("source") or {}).get("component") == names.OPERATOR]
    for uid, count in Counter(event["involvedObject"].get("uid") for event in ours).items():
        if count > EVENTS:
            yield _large(f"uid {uid}", f"has {count} Events of ours")


def _rows(rows: Rows) -> Iterator[Finding]:
    for row in rows.of("metric"):
        if row["points"] > POINTS:
            yield _large(f"metric {row['name']} of run {row['run_uid']}", f"has {row['points']} points")
    kept: Counter[str] = Counter()
    for row in rows.of("log"):
        kept[row["run_uid"]] += row["kept"]
    for uid, size in kept.items():
        if size > LOG_BYTES:
            yield _large(f"logs of run {uid}", f"are {size} bytes")


def _status(body: Body) -> Iterator[Finding]:
    status = body.get("status") or {}
    size, most = len(json.dumps(status, ensure_ascii=False).encode()), STATUS_BYTES[body["kind"]]
    if size > most:
        yield _large(called(body), f"its status has {size} bytes, more than {most}")
    for said in status.get("conditions") or ():
        if len(said.get("message", "")) > MESSAGE:
            yield _large(called(body), f"condition {said['type']} has a sentence of {len(said['message'])} characters")
    for path, limit in LISTS.items():
        found: Any = status
        for part in path.split("."):
            found = (found or {}).get(part)
        if found is not None and len(found) > limit:
            yield _large(called(body), f"status.{path} has {len(found)} entries, more than {limit}")
    progress = (status.get("progress") or {}).get("percentage", 0)
    if not 0 <= progress <= 100:
        yield _large(called(body), f"is {progress} percent done")


def _volumes(snapshot: Snapshot) -> Iterator[Finding]:
    """What is sealed has no staging left, and nobody keeps room that he does not need."""
    if not snapshot.at_rest:
        return
    at_work = {owner_of(job) for job in snapshot.objects.all("Job") if is_live(job)} if snapshot.objects else set()
    for directory in snapshot.directories or ():
        for work in directory.staging:
            if work in directory.pointers and directory.uid not in at_work:
                yield _large(
                    str(directory), f"staging/{work} ({directory.staging[work]} files) is left of a sealed work"
                )
    for uid in snapshot.reservations:
        sealed = any(d.pointers and not d.staging for d in snapshot.directories_of(uid))
        if sealed and uid not in at_work:
            yield _large(f"reservation of {uid}", "is left of a sealed work")


def _large(about: str, sentence: str) -> Finding:
    return Finding(Invariant.BOUNDS, about, sentence)
