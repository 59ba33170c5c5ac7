"""Ready only after the seal; a run only on a sealed version; rows only of what is sealed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from blueno import names
from tests.checker.finding import Finding, Invariant
from tests.checker.snapshot import Directory, Snapshot, called, condition, job_over, label, owner_of, pod_ended

# What may take Ready away from a Dataset with a sealed version: its volume is out of reach.
_OUT_OF_REACH = {
    *("NameConflict", "Provisioning", "WaitingForVolume", "VolumeLost", "InUse", "Erasing", "StorageNotAllowed"),
    *("ImagePullFailed", "Unschedulable", "Pending"),
}


def judge(snapshot: Snapshot) -> Iterator[Finding]:
    """Directories, then Datasets, then runs."""
    for directory in snapshot.directories or ():
        yield from _directory(directory)
    if snapshot.objects is None:
        return
    for body in snapshot.objects.all("Dataset"):
        yield from _dataset(body, snapshot)
        yield from _regress(body, snapshot)
    for body in snapshot.objects.all("TrainingRun"):
        yield from _run(body, snapshot)


def _directory(directory: Directory) -> Iterator[Finding]:
    for work, pointer in directory.pointers.items():
        version = directory.version(pointer["digest"])
        if version is None:
            yield _early(str(directory), f"work {work} points to version {pointer['digest'][:16]}, which is not there")
        elif version.manifest is None or version.manifest["digest"] != pointer["digest"]:
            yield _early(str(directory), f"work {work} points to version {version.folder}, which is not sealed")
        elif not _whole(version.manifest, version.files):
            yield _early(str(directory), f"work {work} points to version {version.folder}, which is not whole")
    for version in directory.versions:
        if version.manifest is None:
            yield _early(f"{directory}, version {version.folder}", "is there without a manifest")
    for name in directory.unknown:
        yield _early(str(directory), f"holds what nothing of ours puts there: {name}")


def _whole(manifest: Mapping[str, Any], files: Mapping[str, Any]) -> bool:
    listed = [manifest["index"], *(s[kind] for s in manifest["shards"] for kind in ("raw", "dense") if s.get(kind))]
    return all(file["name"] in files and files[file["name"]].size == file["bytes"] for file in listed)


def _dataset(body: Mapping[str, Any], snapshot: Snapshot) -> Iterator[Finding]:
    status, uid = body.get("status") or {}, body["metadata"]["uid"]
    version = status.get("version")
    ready = condition(body, "Ready").get("status") == "True"
    if ready and not version:
        yield _early(called(body), "is Ready without a version")
    prepared = condition(body, "Prepared").get("status")
    if prepared is not None and (prepared == "True") != bool(version):
        yield _early(called(body), f"condition Prepared is {prepared}, its version is {version}")
    index = status.get("index") or {}
    if condition(body, "Indexed").get("status") == "True" and index.get("digest") != (version or {}).get("digest"):
        yield _early(called(body), "is Indexed for another version than its own")
    if ready and version and snapshot.directories is not None:
        yield from _on_volume(body, version, snapshot.directories_of(uid))
    if index and snapshot.rows is not None:
        loaded = [row for row in snapshot.rows.of("version") if row["dataset_uid"] == uid]
        if not any(row["digest"] == index["digest"] and row["samples"] == index["rows"] for row in loaded):
            yield _early(called(body), f"says that {index['rows']} rows of {index['digest'][:16]} are loaded")


def _on_volume(body: Mapping[str, Any], version: Mapping[str, Any], directories: list[Directory]) -> Iterator[Finding]:
    if not directories:
        yield _early(called(body), "is Ready, and no directory is its own")
        return
    path = ((body.get("status") or {}).get("volume") or {}).get("path")
    for directory in directories:
        if path and not f"/{directory.place}".endswith(f"/{path}"):
            yield _early(called(body), f"says that it lies in {path}, but owns {directory.place}")
        sealed = {pointer["digest"] for pointer in directory.pointers.values()}
        if version["digest"] not in sealed:
            yield _early(
                called(body), f"is Ready with version {version['digest'][:16]}, which {directory} has not sealed"
            )


def _regress(body: Mapping[str, Any], snapshot: Snapshot) -> Iterator[Finding]:
    """Ready does not go away by itself."""
    if snapshot.before is None or snapshot.before.objects is None:
        return
    uid, now = body["metadata"]["uid"], condition(body, "Ready")
    before = next((b for b in snapshot.before.objects.all("Dataset") if b["metadata"]["uid"] == uid), None)
    if before is None or condition(before, "Ready").get("status") != "True" or now.get("status") == "True":
        return
    same = before["metadata"].get("generation") == body["metadata"].get("generation")
    if same and now.get("reason") not in _OUT_OF_REACH:
        yield _early(called(body), f"was Ready and is not any more, with reason {now.get('reason')}")


def _run(body: Mapping[str, Any], snapshot: Snapshot) -> Iterator[Finding]:
    assert snapshot.objects is not None
    objects, meta = snapshot.objects, body["metadata"]
    jobs = objects.owned("Job", meta["uid"])
    datasets = {
        d["metadata"]["name"]: d for d in objects.all("Dataset") if d["metadata"]["namespace"] == meta["namespace"]
    }
    for job in jobs:
        pinned = json.loads((job["metadata"].get("annotations") or {}).get(names.PINNED, "{}"))
        for use in body["spec"].get("datasets") or ():
            digest, dataset = pinned.get(use["name"]), datasets.get(use["name"])
            if not digest:
                yield _early(called(job), f"was made without a version of data set {use['name']}")
            elif dataset is not None and digest not in _versions(dataset, snapshot):
                yield _early(
                    called(job), f"mounts version {digest[:16]} of data set {use['name']}, which was never sealed"
                )
    succeeded = condition(body, "Succeeded")
    if succeeded.get("status") != "True":
        return
    number = str((body.get("status") or {}).get("attempt", 0))
    last = [job for job in jobs if label(job, names.ATTEMPT_LABEL) == number]
    if any(job_over(job) == "Failed" for job in last):
        yield _early(called(body), f"has {succeeded.get('reason')}, and its Job has failed")
    pods = [
        pod for pod in objects.owned("Pod", meta["uid"]) if owner_of(pod) and label(pod, names.ATTEMPT_LABEL) == number
    ]
    if pods and not any((pod.get("status") or {}).get("phase") == "Succeeded" for pod in pods):
        phases = sorted({str((pod.get("status") or {}).get("phase")) for pod in pods if not pod_ended(pod)}) or [
            "Failed"
        ]
        if not last or job_over(last[0]) != "Complete":
            yield _early(called(body), f"has {succeeded.get('reason')}, and its pods are {', '.join(phases)}")


def _versions(dataset: Mapping[str, Any], snapshot: Snapshot) -> set[str]:
    status = dataset.get("status") or {}
    known = {(status.get("version") or {}).get("digest"), *(status.get("earlierVersions") or ())}
    for directory in snapshot.directories_of(dataset["metadata"]["uid"]):
        known |= {pointer["digest"] for pointer in directory.pointers.values()}
    return known


def _early(about: str, sentence: str) -> Finding:
    return Finding(Invariant.EARLY_TRUTH, about, sentence)
