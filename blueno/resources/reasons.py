"""The reasons a Dataset's Ready condition may carry: documented, additive, the STATUS column of `kubectl get`.

Used by controllers/dataset (decides which one holds), hack/api_docs.py (prints the table) and the golden tables of
tests/contract. Pure: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class DatasetReason(StrEnum):
    """Where a Dataset stands. Words are only ever added, never renamed."""

    # on its way
    PENDING = "Pending"
    PROVISIONING = "Provisioning"
    WAITING_FOR_VOLUME = "WaitingForVolume"
    WAITING_FOR_SPACE = "WaitingForSpace"
    DOWNLOADING = "Downloading"
    PREPARING = "Preparing"
    PUBLISHING = "Publishing"
    # settled
    AVAILABLE = "Available"
    ACCEPTING_UPLOADS = "AcceptingUploads"
    SUSPENDED = "Suspended"
    IN_USE = "InUse"
    ERASING = "Erasing"
    # something is wrong
    INVALID_SPEC = "InvalidSpec"
    SOURCE_NOT_FOUND = "SourceNotFound"
    SOURCE_NOT_ALLOWED = "SourceNotAllowed"
    SOURCE_UNAVAILABLE = "SourceUnavailable"
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    NO_SPACE = "NoSpace"
    VOLUME_PERMISSION_DENIED = "VolumePermissionDenied"
    VOLUME_LOST = "VolumeLost"
    STORAGE_NOT_ALLOWED = "StorageNotAllowed"
    ADOPTION_MISMATCH = "AdoptionMismatch"
    TOO_MANY_BAD_SAMPLES = "TooManyBadSamples"
    PREP_FAILED = "PrepFailed"
    PREP_OUT_OF_MEMORY = "PrepOutOfMemory"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    UNSCHEDULABLE = "Unschedulable"
    NODE_LOST = "NodeLost"
    NAME_CONFLICT = "NameConflict"
    DEADLINE_EXCEEDED = "DeadlineExceeded"


@dataclass(frozen=True)
class ReasonDoc:
    """What a reason means and how the operator treats it.

    `stalled`: the condition Stalled is True, nothing goes on until a person acts; kstatus and `helm --wait` fail at
    once. `healable`: the operator looks again by itself, so it may go away without anybody touching the Dataset.
    Never both. Neither: settled. Most stalled reasons are reached only after the last retry; until then they may show
    with Reconciling True.
    """

    meaning: str  # one sentence for users: what it means and what to do
    stalled: bool = False
    healable: bool = False


def _moving(meaning: str) -> ReasonDoc:
    return ReasonDoc(meaning, healable=True)


def _stalled(meaning: str) -> ReasonDoc:
    return ReasonDoc(meaning, stalled=True)


_RETRY: Final = "`kubectl annotate dataset NAME --overwrite blueno.dev/requested-at=$(date -u +%FT%TZ)`"

DATASET_REASONS: Final[Mapping[DatasetReason, ReasonDoc]] = MappingProxyType(
    {
        DatasetReason.PENDING: _moving("The operator has seen the Dataset and will start shortly; nothing to do."),
        DatasetReason.PROVISIONING: _moving("The volume for the data is being made; nothing to do."),
        DatasetReason.WAITING_FOR_VOLUME: _moving(
            "A claim is missing, not bound yet, or cannot be mounted; make the claim that the message names, give a "
            "storageClassName and accessModes that the cluster can serve, or see to the server that it names."
        ),
        DatasetReason.WAITING_FOR_SPACE: _moving(
            "The volume has less room than is still needed, or another data set is to be finished on it first; free "
            "space or enlarge the volume: it goes on by itself, and nothing that is finished is lost."
        ),
        DatasetReason.DOWNLOADING: _moving("The source's files are being fetched; nothing to do."),
        DatasetReason.PREPARING: _moving("Samples are being checked and packed; nothing to do."),
        DatasetReason.PUBLISHING: _moving("The finished version is being checked and sealed; nothing to do."),
        DatasetReason.AVAILABLE: ReasonDoc("A sealed version can be used."),
        DatasetReason.ACCEPTING_UPLOADS: ReasonDoc(
            "The volume is ready and samples can be added, but none are sealed yet; add some, then seal them into the "
            f"first version with `blueno dataset seal NAME` or {_RETRY}."
        ),
        DatasetReason.SUSPENDED: ReasonDoc("Stopped by spec.suspend; set it to false to go on where it was."),
        DatasetReason.IN_USE: _moving(
            "The Dataset was deleted while training runs use it; it goes away by itself when the runs that the message "
            "names have ended, or are deleted or suspended."
        ),
        DatasetReason.ERASING: _moving(
            "The Dataset was deleted with reclaimPolicy Delete and its data is being erased; it goes away by itself."
        ),
        DatasetReason.INVALID_SPEC: _stalled("The field that the message names cannot work as it is; correct it."),
        DatasetReason.SOURCE_NOT_FOUND: _stalled(
            "The source does not exist under this name; correct spec.source, the message lists the nearest names."
        ),
        DatasetReason.SOURCE_NOT_ALLOWED: _stalled(
            "The source's address is private and the operator may not fetch from it; use a public address, put the "
            "files on a claim, or ask the administrator to add it to allowedSourceNetworks."
        ),
        DatasetReason.SOURCE_UNAVAILABLE: _moving(
            "The source does not answer and is tried again and again; check its address if this lasts."
        ),
        DatasetReason.CHECKSUM_MISMATCH: _stalled(
            "A file is not the one whose checksum was given; compare the two digests in the message and correct sha256 "
            "or the file."
        ),
        DatasetReason.NO_SPACE: _stalled(
            "The volume could not hold the data even if it were empty; let spec.storage.claimTemplate.size grow, or "
            f"enlarge the volume and ask again with {_RETRY}."
        ),
        DatasetReason.VOLUME_PERMISSION_DENIED: _stalled(
            "The preparation may not write to the volume; make the path that the message names writable for the uid it "
            f"names, then ask again with {_RETRY}."
        ),
        DatasetReason.VOLUME_LOST: _stalled(
            "The claim with the data is gone or lost its volume; restore it, or ask with "
            f"{_RETRY} to prepare everything again on a new claim."
        ),
        DatasetReason.STORAGE_NOT_ALLOWED: _stalled(
            "The operator's configuration does not allow this storage to this namespace; make a new Dataset with "
            "another kind, export or subPath, or ask the administrator."
        ),
        DatasetReason.ADOPTION_MISMATCH: _stalled(
            "The directory on the volume belongs to another Dataset; make a new Dataset with another subPath, or "
            "delete that other one first."
        ),
        DatasetReason.TOO_MANY_BAD_SAMPLES: _stalled(
            "More samples are unusable than spec.prepare.maxBadSamples allows; look at status.badSamples, then repair "
            "the source or raise the number: what was done is kept."
        ),
        DatasetReason.PREP_FAILED: _stalled(
            "The preparation failed and its retries are used up; read the message and the pod's log, then ask again "
            f"with {_RETRY}."
        ),
        DatasetReason.PREP_OUT_OF_MEMORY: _stalled(
            "The preparation pod used more memory than it may; raise spec.prepare.resources.limits.memory."
        ),
        DatasetReason.IMAGE_PULL_FAILED: _moving(
            "A node cannot get the image of the preparation or of the namespace's NFS server; the administrator checks "
            "the image's name and the nodes' access to its registry."
        ),
        DatasetReason.UNSCHEDULABLE: _moving(
            "No node fits the preparation pod; lower spec.prepare.resources or gpus, change nodeSelector or "
            "tolerations, or wait for a node. The message says so when it is the pod of the namespace's NFS server."
        ),
        DatasetReason.NODE_LOST: _moving(
            "The node of the preparation pod does not answer; it goes on when the node is back. If the node is gone "
            "for good, run the command in the message: what was done is kept."
        ),
        DatasetReason.NAME_CONFLICT: _stalled(
            "An object that Blueno needs to make exists already and belongs to someone else; delete or rename the one "
            "that the message names."
        ),
        DatasetReason.DEADLINE_EXCEEDED: _stalled(
            "The preparation took longer than spec.prepare.activeDeadlineSeconds; raise it: what was done is kept."
        ),
    }
)
