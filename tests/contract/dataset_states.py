"""One Dataset for every reason its Ready condition may carry, as a cluster in use would show it.

Used by test_crd_tables.py: how it reads in `kubectl get`, and what waiting tools make of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blueno.resources.dataset import Dataset
from blueno.resources.reasons import DATASET_REASONS
from blueno.resources.reasons import DatasetReason as R
from controllers.dataset.status import summary
from tests.fakes.kstatus import KStatus

SINCE = "2026-11-23T12:00:00Z"
DIGEST = "1a2b3c4d" + "5e6f7081" * 7
NEW_CLAIM = "digits-0b5f3c1e"
TFDS: Mapping[str, Any] = {"tfds": {"name": "mnist"}}
UPLOAD: Mapping[str, Any] = {"upload": {}}
ARCHIVE: Mapping[str, Any] = {
    "archive": {"files": [{"url": "https://example.org/digits.tar.gz", "sha256": "4d1e0b2c" * 8}]}
}
CLAIM: Mapping[str, Any] = {"claim": {"name": "my-photos", "path": "2024/birds"}}
VERSION = {"digest": DIGEST, "sequence": 3, "samples": 70000, "bytes": 54960128, "sealedAt": SINCE}
SEALED: Mapping[str, Any] = {
    "version": VERSION,
    "samples": 70000,
    "classes": 10,
    "splits": [{"name": "test", "samples": 10000}, {"name": "train", "samples": 60000}],
    "shapes": ["28x28x1 uint8"],
    "badSamples": {"count": 2, "first": [{"key": "train/7/0017.png", "code": "Truncated"}]},
}
LEAVING = (R.IN_USE, R.ERASING)  # reasons of a Dataset that is being deleted


@dataclass(frozen=True)
class State:
    """A Dataset in one state. `progress` is (stage, percentage, seconds left)."""

    reason: R
    message: str
    source: Mapping[str, Any] = field(default_factory=lambda: TFDS)
    spec: Mapping[str, Any] = field(default_factory=dict)
    claim: str = NEW_CLAIM
    progress: tuple[str, int, int | None] | None = None
    sealed: bool = False
    newer: R | None = None  # what a newer work of a usable data set is doing, or died of
    variant: str = ""

    @property
    def open(self) -> bool:
        """Whether people may add samples, and none are sealed."""
        return self.reason is R.ACCEPTING_UPLOADS

    @property
    def name(self) -> str:
        """`SourceNotFound` → `source-not-found`."""
        words = "".join(f"-{c.lower()}" if c.isupper() else c for c in self.reason).lstrip("-")
        return f"{words}-{self.variant}" if self.variant else words

    @property
    def body(self) -> dict[str, Any]:
        return {"kind": "Dataset", "metadata": {"name": self.name}, "spec": {"source": self.source, **self.spec}}

    @property
    def kstatus(self) -> KStatus:
        """What waiting tools shall believe, by the reason's own flags."""
        doc = DATASET_REASONS[self.newer or self.reason]
        if self.reason in LEAVING:
            return KStatus.TERMINATING
        if doc.stalled:
            return KStatus.FAILED
        usable = (self.sealed or self.open) and not doc.healable
        return KStatus.CURRENT if usable else KStatus.IN_PROGRESS

    def status(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The whole status of `body`, an object as the API server returned it, with the operator's own summary."""
        generation = body["metadata"]["generation"]
        status: dict[str, Any] = {"observedGeneration": generation, "conditions": self._conditions(generation)}
        if self.sealed:
            status |= SEALED
            status["index"] = {"digest": DIGEST, "rows": 70000}
        if self.open:
            status["working"] = {"accepts": True}
            status["work"] = {"hash": "9c1d5e7f00112233", "attempt": 1, "outcome": "Open"}
        if self.progress:
            stage, percentage, left = self.progress
            status["progress"] = {"stage": stage, "percentage": percentage, "lastUpdatedTime": SINCE}
            status["progress"] |= {} if left is None else {"estimatedRemainingSeconds": left}
            status["jobRef"] = {"name": "digits-0b5f3c1e-prep-9c1d5e7f-a1"}
            status["work"] = {"hash": "9c1d5e7f00112233", "attempt": 1, "outcome": ""}
        if self.claim:
            status["volume"] = {"claimName": self.claim, "path": "team/digits-0b5f3c1e"}
            status["resolved"] = {"storageClassName": "blueno-local", "storage": "claimTemplate"}
        return status | {"summary": summary(Dataset.parse(body), status)}

    def _conditions(self, generation: int) -> list[dict[str, Any]]:
        doc = DATASET_REASONS[self.newer or self.reason]
        working, why = str(self.newer or self.reason), self.message
        values = {
            "Indexed": (self.sealed, "Indexed" if self.sealed else "NoVersion"),
            "Prepared": (self.sealed, "Sealed" if self.sealed else working),
            "Ready": ((self.sealed and self.reason is R.AVAILABLE) or self.open, str(self.reason)),
            "Reconciling": (doc.healable, working if doc.healable else "Settled"),
            "Stalled": (doc.stalled, working if doc.stalled else "NotStalled"),
            "VolumeReady": (
                self.progress is not None or self.sealed or self.open,
                "Bound" if self.progress or self.sealed or self.open else working,
            ),
        }
        return [
            {
                "type": kind,
                "status": "True" if value else "False",
                "reason": reason,
                "message": why if kind in ("Ready", "Stalled", "Reconciling") and (value or kind == "Ready") else "",
                "lastTransitionTime": SINCE,
                "observedGeneration": generation,
            }
            for kind, (value, reason) in sorted(values.items())
        ]


WORKING = ("Preparing", 43, 120)
SEALED_TEXT = "70,000 samples in 2 splits"
STATES: tuple[State, ...] = (
    State(R.PENDING, "Seen; starts shortly", claim=""),
    State(R.PROVISIONING, "Making claim digits-0b5f3c1e (10Gi, class blueno-local)"),
    State(
        R.WAITING_FOR_VOLUME,
        "Claim my-photos does not exist in this namespace: make it, or correct spec.source.claim.name",
        source=CLAIM,
        claim="",
    ),
    State(
        R.WAITING_FOR_SPACE,
        "the data set needs 1.2 GiB, 300.0 MiB are free on the volume of 10.0 GiB: free space or enlarge it; it goes "
        "on by itself, finished work is kept",
        progress=("WaitingForSpace", 43, None),
    ),
    State(R.DOWNLOADING, "digits.tar.gz: 1.1 of 4.2 MiB", source=ARCHIVE, progress=("Downloading", 9, None)),
    State(R.PREPARING, "30,100 of 70,000 samples packed", progress=WORKING),
    State(R.PUBLISHING, "Checking 12 shards", progress=("Publishing", 98, 4)),
    State(R.AVAILABLE, f"{SEALED_TEXT}; 2 bad samples left out, see status.badSamples", sealed=True),
    State(
        R.AVAILABLE,
        f"{SEALED_TEXT}; a new version is being prepared",
        sealed=True,
        progress=WORKING,
        newer=R.PREPARING,
        variant="updating",
    ),
    State(
        R.AVAILABLE,
        f"{SEALED_TEXT}; the new version failed (ChecksumMismatch): correct spec.source.archive.files[0].sha256",
        source=ARCHIVE,
        sealed=True,
        newer=R.CHECKSUM_MISMATCH,
        variant="update-failed",
    ),
    State(
        R.ACCEPTING_UPLOADS,
        "samples can be added; `blueno dataset seal accepting-uploads` makes the first version of them",
        source=UPLOAD,
    ),
    State(R.SUSPENDED, "Stopped at 43%: set spec.suspend to false to go on", spec={"suspend": True}),
    State(
        R.IN_USE,
        "being deleted, but a training run uses it: digits-lr3; it goes by itself afterwards",
        sealed=True,
    ),
    State(R.ERASING, "Erasing 52 MiB", spec={"reclaimPolicy": "Delete"}, sealed=True),
    State(R.INVALID_SPEC, "spec.source.tfds.splits: mnist has no split validation; it has test, train", claim=""),
    State(
        R.SOURCE_NOT_FOUND,
        "TFDS has no data set minst; nearest: mnist, emnist, kmnist. Correct spec.source.tfds.name",
        source={"tfds": {"name": "minst"}},
    ),
    State(
        R.SOURCE_NOT_ALLOWED,
        "example.org is 10.0.0.7, a private address: ask the administrator to add it to allowedSourceNetworks",
        source=ARCHIVE,
    ),
    State(
        R.SOURCE_UNAVAILABLE,
        "https://example.org/digits.tar.gz: connection refused; next try in 40 s",
        source=ARCHIVE,
        progress=("Downloading", 0, None),
    ),
    State(
        R.CHECKSUM_MISMATCH,
        "digits.tar.gz has sha256 93ab…01, spec.source.archive.files[0] says 4d1e…2c: correct one of them",
        source=ARCHIVE,
    ),
    State(R.NO_SPACE, "the data set needs 11.0 GiB, the volume has 9.2 GiB in all: enlarge it, or name a larger one"),
    State(R.VOLUME_PERMISSION_DENIED, "uid 65532 may not write to team/digits-0b5f3c1e: make it writable for that uid"),
    State(R.VOLUME_LOST, "Claim digits-0b5f3c1e lost its volume: restore it, or make a new Dataset"),
    State(
        R.STORAGE_NOT_ALLOWED,
        "hostPath is switched off in the operator's configuration",
        spec={"storage": {"hostPath": {"path": "/srv/blueno"}}},
        claim="",
    ),
    State(
        R.ADOPTION_MISMATCH,
        "team/digits belongs to Dataset 6f0e8d1c…: choose another subPath",
        spec={"storage": {"existingClaim": {"name": "shared-data"}, "subPath": "team/digits"}},
        claim="shared-data",
    ),
    State(
        R.TOO_MANY_BAD_SAMPLES,
        "101 bad samples, at most 100: repair the source or raise spec.prepare.maxBadSamples",
        source=CLAIM,
    ),
    State(
        R.PREP_FAILED,
        "4 pods failed, the last with exit code 1: read kubectl logs job/digits-0b5f3c1e-prep-9c1d5e7f-a1",
    ),
    State(R.PREP_OUT_OF_MEMORY, "Killed at 1 GiB: raise spec.prepare.resources.limits.memory"),
    State(R.IMAGE_PULL_FAILED, "node1 cannot pull blueno-prep:0.1.0: not found"),
    State(R.UNSCHEDULABLE, "0/3 nodes fit: 3 Insufficient nvidia.com/gpu", spec={"prepare": {"gpus": {"count": 1}}}),
    State(R.NODE_LOST, "node node1 does not answer; the preparation goes on by itself when it is back"),
    State(R.NAME_CONFLICT, "Claim digits-0b5f3c1e exists and is not ours: delete or rename it"),
    State(
        R.DEADLINE_EXCEEDED,
        "Not done after 3600 s: raise spec.prepare.activeDeadlineSeconds",
        spec={"prepare": {"activeDeadlineSeconds": 3600}},
    ),
)
