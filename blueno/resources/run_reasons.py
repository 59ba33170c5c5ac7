"""The reasons a TrainingRun's Succeeded condition may carry: documented, additive, its STATUS column.

Used by controllers/training_run and hack/api_docs.py. Pure: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from blueno.resources.reasons import ReasonDoc


class RunReason(StrEnum):
    """Where a TrainingRun stands. Words are only ever added, never renamed."""

    # on its way
    PENDING = "Pending"
    DATASET_NOT_READY = "DatasetNotReady"
    NO_SEALED_VERSION = "NoSealedVersion"
    DATASET_VERSION_NOT_FOUND = "DatasetVersionNotFound"
    CHECKPOINT_NOT_READY = "CheckpointNotReady"
    QUEUED = "Queued"
    WAITING_FOR_QUOTA = "WaitingForQuota"
    INSUFFICIENT_GPU = "InsufficientGPU"
    UNSCHEDULABLE = "Unschedulable"
    VOLUME_UNBOUND = "VolumeUnbound"
    VOLUME_NOT_SHARED = "VolumeNotShared"
    PULLING_IMAGE = "PullingImage"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    STARTING = "Starting"
    RUNNING = "Running"
    RESTARTING = "Restarting"
    PREEMPTED = "Preempted"
    NODE_LOST = "NodeLost"
    SUSPENDED = "Suspended"
    # over
    COMPLETED = "Completed"
    USER_ERROR = "UserError"
    SETUP_FAILED = "SetupFailed"
    OUT_OF_MEMORY = "OutOfMemory"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
    CANCELLED = "Cancelled"
    OUTCOME_LOST = "OutcomeLost"
    NAME_CONFLICT = "NameConflict"
    INVALID_SPEC = "InvalidSpec"


def _moving(meaning: str) -> ReasonDoc:
    return ReasonDoc(meaning, healable=True)


def _over(meaning: str) -> ReasonDoc:
    return ReasonDoc(meaning, stalled=True)


RUN_REASONS: Final[Mapping[RunReason, ReasonDoc]] = MappingProxyType(
    {
        RunReason.PENDING: _moving("The operator has seen the TrainingRun and will start it shortly; nothing to do."),
        RunReason.DATASET_NOT_READY: _moving(
            "A data set that the message names does not exist yet or has no sealed version; the run starts by itself "
            "the moment it has one."
        ),
        RunReason.NO_SEALED_VERSION: _moving(
            "A data set that the message names takes samples, but nobody has sealed them into a version yet: `blueno "
            "dataset seal NAME`; the run starts by itself afterwards."
        ),
        RunReason.DATASET_VERSION_NOT_FOUND: _moving(
            "The data set does not have the version that spec.datasets names, or that the run has begun with; "
            "`status.version` and `status.earlierVersions` of the Dataset are those it has."
        ),
        RunReason.CHECKPOINT_NOT_READY: _moving(
            "The run that spec.checkpoint.from names does not exist, writes to another claim, or has reported no "
            "checkpoint yet."
        ),
        RunReason.QUEUED: _moving("Kueue has not admitted it yet; it starts when its queue has room."),
        RunReason.WAITING_FOR_QUOTA: _moving(
            "A ResourceQuota or the quota of Kueue's queue leaves no room; wait for other runs or have it raised."
        ),
        RunReason.INSUFFICIENT_GPU: _moving(
            "No node has enough free GPUs of the kind asked for; wait, or ask for fewer or for another product."
        ),
        RunReason.UNSCHEDULABLE: _moving(
            "No node fits the pod; lower spec.resources, change nodeSelector or tolerations, or wait for a node."
        ),
        RunReason.VOLUME_UNBOUND: _moving("A claim that the pod mounts is missing or not bound; the message names it."),
        RunReason.VOLUME_NOT_SHARED: _over(
            "The run asks for several nodes, and a data set lies on a volume that one node at a time can have; make a "
            "new run with numNodes 1, or the data set on a ReadWriteMany volume."
        ),
        RunReason.PULLING_IMAGE: _moving("The node is fetching the image; nothing to do."),
        RunReason.IMAGE_PULL_FAILED: _moving(
            "The node cannot get the image; check spec.image and spec.imagePullSecrets. It is tried again and again."
        ),
        RunReason.STARTING: _moving("The pod is starting; nothing to do."),
        RunReason.RUNNING: _moving("It trains."),
        RunReason.RESTARTING: _moving("A pod ended and is being replaced; the message says why it ended."),
        RunReason.PREEMPTED: _moving(
            "Something of a higher priority took its place, or Kueue gave it away; it starts again when there is room."
        ),
        RunReason.NODE_LOST: _moving(
            "Its node does not answer; it goes on when the node is back. If the node is gone for good, run the command "
            "in the message, or set spec.onNodeLost: NewAttempt in the next run."
        ),
        RunReason.SUSPENDED: ReasonDoc("Stopped by spec.suspend; set it to false to start the next attempt."),
        RunReason.COMPLETED: ReasonDoc("The process ended with exit code 0, and not because it was asked to end."),
        RunReason.USER_ERROR: _over("The process ended with an error; read the log, correct the code, make a new run."),
        RunReason.SETUP_FAILED: _over(
            "The outputs claim could not be written or the code could not be fetched; the message says which, correct "
            "it and make a new run."
        ),
        RunReason.OUT_OF_MEMORY: _over(
            "The process used more memory than allowed; raise spec.resources.limits.memory."
        ),
        RunReason.DEADLINE_EXCEEDED: _over("It took longer than spec.activeDeadlineSeconds; make a new run with more."),
        RunReason.BACKOFF_LIMIT_EXCEEDED: _over("It failed more often than spec.backoffLimit allows; read the log."),
        RunReason.CANCELLED: ReasonDoc(
            "Ended by spec.cancel, or by somebody who deleted its Job while it was at work; outputs and log stay."
        ),
        RunReason.OUTCOME_LOST: _over("The Job was deleted before its outcome was known; make a new run."),
        RunReason.NAME_CONFLICT: _moving(
            "An object that Blueno needs to make exists already and belongs to someone else; delete or rename the one "
            "that the message names."
        ),
        RunReason.INVALID_SPEC: _over("The field that the message names cannot work as it is; make a new run."),
    }
)
