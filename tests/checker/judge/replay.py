"""Same samples, same digest: recomputed from the bytes. What is sealed never changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.checker.finding import Finding, Invariant
from tests.checker.snapshot import Directory, Row, Snapshot, Version, called

_RANKS = ("train", "validation", "test")


def judge(snapshot: Snapshot) -> Iterator[Finding]:
    """Every version by itself, against the one before, against a run without faults."""
    for directory in snapshot.directories or ():
        for version in directory.versions:
            if version.manifest is not None:
                yield from _version(f"{directory}, version {version.folder}", version, version.manifest)
        yield from _reference(directory, snapshot.reference)
    yield from _unchanged(snapshot)


def _version(about: str, version: Version, manifest: Mapping[str, Any]) -> Iterator[Finding]:
    digest = rows_digest(version.rows)
    if digest != manifest["digest"]:
        yield _differs(about, f"its samples have the digest {digest[:16]}, its manifest says {manifest['digest'][:16]}")
    if version.folder != manifest["digest"][:16]:
        yield _differs(about, f"lies in {version.folder} and says that it is {manifest['digest'][:16]}")
    files = [manifest["index"], *(s[kind] for s in manifest["shards"] for kind in ("raw", "dense") if s.get(kind))]
    layout = canonical([[file["name"], file["bytes"], file["sha256"]] for file in files])
    if hashlib.sha256(layout.encode()).hexdigest() != manifest["layoutDigest"]:
        yield _differs(about, "its layoutDigest is not that of its files")
    splits = [split["name"] for split in manifest["splits"]]
    if splits != sorted(splits, key=lambda name: (_RANKS.index(name) if name in _RANKS else 9, name)):
        yield _differs(about, f"its splits are in the order {splits}")
    for row in version.rows:
        for text in (row.label, row.metadata):
            if text is not None and not _is_canonical(text):
                yield _differs(about, f"{row.key!r} has JSON that is not canonical: {text[:80]}")
    writable = [name for name, file in version.files.items() if file.mode & 0o222]
    if writable:
        yield _differs(about, f"{', '.join(writable[:3])} can be written though they are sealed")


def rows_digest(rows: tuple[Row, ...]) -> str:
    """By docs/format.md, from the content that is really there."""
    hasher = hashlib.sha256(b"blueno-rows-1\n")
    for row in sorted(rows, key=lambda row: (row.split, row.key)):
        texts = [(text or "").encode() for text in (row.key, row.split, row.label, row.group, row.metadata)]
        fields = [*texts[:2], bytes.fromhex(row.found), *texts[2:]]
        hasher.update(b"".join(len(field).to_bytes(8, "little") + field for field in fields))
    return hasher.hexdigest()


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _is_canonical(text: str) -> bool:
    try:
        return canonical(json.loads(text)) == text
    except ValueError:
        return False


def _reference(directory: Directory, reference: Mapping[str, str]) -> Iterator[Finding]:
    wanted, current = reference.get(directory.uid), directory.current
    if wanted is not None and current is not None and current["digest"] != wanted:
        yield _differs(str(directory), f"digest {current['digest'][:16]}, without faults it is {wanted[:16]}")


def _unchanged(snapshot: Snapshot) -> Iterator[Finding]:
    """Between two looks: versions, pointers, and the ends of runs."""
    before = snapshot.before
    if before is None:
        return
    known = {directory.place: directory for directory in before.directories or ()}
    for directory in snapshot.directories or ():
        old = known.get(directory.place)
        if old is None or old.owner != directory.owner:
            continue
        for version in directory.versions:
            was = old.version(version.folder)
            if (
                was is not None
                and was.manifest is not None
                and (was.manifest, was.files) != (version.manifest, version.files)
            ):
                yield _differs(f"{directory}, version {version.folder}", "has changed since it was sealed")
        for work, pointer in old.pointers.items():
            if work not in directory.pointers:
                yield _differs(str(directory), f"the pointer of work {work} ({pointer['digest'][:16]}) is gone")
    if snapshot.objects is None or before.objects is None:
        return
    ended = {body["metadata"]["uid"]: body for body in before.objects.all("TrainingRun")}
    for body in snapshot.objects.all("TrainingRun"):
        earlier, now = _end(ended.get(body["metadata"]["uid"])), _end(body)
        if earlier and earlier != now:
            yield _differs(called(body), f"it had ended as {earlier} and is now {now or 'not over'}")


def _end(body: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Status and reason of a run that is over, in which attempt and when it ended; () before."""
    status = (body or {}).get("status") or {}
    for entry in status.get("conditions") or ():
        if entry["type"] == "Succeeded" and entry["status"] != "Unknown":
            return entry["status"], entry["reason"], str(status.get("attempt")), str(status.get("completionTime"))
    return ()


def _differs(about: str, sentence: str) -> Finding:
    return Finding(Invariant.REPLAY, about, sentence)
