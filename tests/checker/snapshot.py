"""Everything that is known at one moment, as plain values. Made by gather/*, judged by judge/*. Pure.

Every part may be missing (None, or empty): what was not looked at is not judged. So the same checker serves a
directory alone, the fake API server of tests/loop, and a whole cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from blueno import names
from tests.checker.steps import Trace

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Stored:
    """A file of a version's directory, as its bytes are. `sha256` is "" when it could not be read."""

    name: str
    size: int
    sha256: str
    mode: int


@dataclass(frozen=True)
class Row:
    """A row of index.arrow. `found` is the sum of the content that really lies in the shard, `length` its bytes."""

    key: str
    split: str
    label: str | None
    group: str | None
    metadata: str | None
    shard: int
    row: int
    bytes: int
    sha256: str
    format: str
    found: str = ""
    length: int = -1


@dataclass(frozen=True)
class Version:
    """A directory below versions/. `problems` say what could not be read."""

    folder: str
    manifest: Body | None
    files: Mapping[str, Stored]
    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()
    mode: int = 0o755


@dataclass(frozen=True)
class Directory:
    """One data set's directory. `place` is its path below the volume's root."""

    place: str
    owner: Body | None
    pointers: Mapping[str, Body]  # work: what works/<work>.json says
    versions: tuple[Version, ...]
    staging: Mapping[str, int] = field(default_factory=dict)  # work: files
    unknown: tuple[str, ...] = ()  # links, damaged pointers, names that nothing of ours has

    @property
    def uid(self) -> str:
        """Of the Dataset that it belongs to."""
        return str((self.owner or {}).get("datasetUid", ""))

    @property
    def current(self) -> Body | None:
        """The pointer of the highest sequence."""
        return max(self.pointers.values(), key=lambda p: (p["sequence"], p["sealedAt"]), default=None)

    def version(self, digest: str) -> Version | None:
        return next((version for version in self.versions if version.folder == digest[:16]), None)

    def __str__(self) -> str:
        return f"directory {self.place}"


@dataclass(frozen=True)
class Objects:
    """Objects of the API server by kind; a kind that was not asked for is not judged."""

    by_kind: Mapping[str, tuple[Body, ...]]

    def all(self, kind: str) -> tuple[Body, ...]:
        return self.by_kind.get(kind, ())

    def asked(self, *kinds: str) -> bool:
        """Whether all these kinds were asked for."""
        return all(kind in self.by_kind for kind in kinds)

    def ours(self) -> Iterator[Body]:
        """Datasets, TrainingRuns and Samples."""
        for kind in names.KINDS:
            yield from self.all(kind)

    def owned(self, kind: str, uid: str) -> list[Body]:
        """Children of this kind that carry the owner's label."""
        return [body for body in self.all(kind) if owner_of(body) == uid]

    @property
    def uids(self) -> frozenset[str]:
        return frozenset(body["metadata"]["uid"] for body in self.ours())


Table = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Rows:
    """Rows of PostgreSQL by table ("dataset", "version", "sample" …: gather/rows.py lists them)."""

    tables: Mapping[str, Table]

    def of(self, table: str) -> Table:
        return self.tables.get(table, ())


@dataclass(frozen=True)
class Text:
    """Something that was written for people: a log, a page. Searched for secrets and stack traces."""

    name: str
    text: str


@dataclass(frozen=True)
class Canary:
    """A planted secret, and the beginnings of the places where its owner put it ("TrainingRun lab/train spec")."""

    secret: str
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """`at_rest`: no fault holds and everybody had the time to act, so that what is unfinished is stuck.

    `before` is an earlier snapshot of the same world. `declared` says by uid how many items a source holds,
    `reference` which digest a run without faults had.
    """

    objects: Objects | None = None
    directories: tuple[Directory, ...] | None = None
    reservations: tuple[str, ...] = ()  # uids
    rows: Rows | None = None
    texts: tuple[Text, ...] = ()
    canaries: tuple[Canary, ...] = ()
    trace: Trace | None = None
    before: Snapshot | None = None
    at_rest: bool = True
    declared: Mapping[str, int] = field(default_factory=dict)
    reference: Mapping[str, str] = field(default_factory=dict)
    taken: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def gone(self) -> Mapping[str, Body]:
        """uid → last known body of what was there before and is no more."""
        if self.objects is None or self.before is None or self.before.objects is None:
            return {}
        known = {**self.before.gone, **{body["metadata"]["uid"]: body for body in self.before.objects.ours()}}
        return {uid: body for uid, body in known.items() if uid not in self.objects.uids}

    def directories_of(self, uid: str) -> list[Directory]:
        return [directory for directory in self.directories or () if directory.uid == uid]


def owner_of(body: Body) -> str:
    """uid of the object that a child was made for, by its label; "" for what is not ours."""
    return str((body["metadata"].get("labels") or {}).get(names.OWNER_UID, ""))


def label(body: Body, key: str) -> str:
    return str((body["metadata"].get("labels") or {}).get(key, ""))


def called(body: Body) -> str:
    """ "Dataset lab/mnist"."""
    meta = body["metadata"]
    space = f"{meta['namespace']}/" if meta.get("namespace") else ""
    return f"{body['kind']} {space}{meta['name']}"


def condition(body: Body, kind: str) -> Body:
    """A condition of the status; {} when there is none."""
    found = (body.get("status") or {}).get("conditions") or ()
    return next((entry for entry in found if entry.get("type") == kind), {})


def job_over(job: Body) -> str:
    """ "Complete", "Failed", or "" while a Job is not over."""
    said = (job.get("status") or {}).get("conditions") or ()
    return next((c["type"] for c in said if c["type"] in ("Complete", "Failed") and c["status"] == "True"), "")


def is_live(job: Body) -> bool:
    """A Job that may still have work done: not over, and not on its way out."""
    return not job_over(job) and not job["metadata"].get("deletionTimestamp")


def pod_ended(pod: Body) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
