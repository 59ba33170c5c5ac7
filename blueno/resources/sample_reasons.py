"""The reasons a Sample's Ready condition may carry: documented, additive, the STATUS column of `kubectl get`.

Used by controllers/sample (decides which one holds), blueno/resources/ingest.py (which of them a pod may report) and
hack/api_docs.py (prints the table). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from blueno.resources.reasons import ReasonDoc


class SampleReason(StrEnum):
    """Where a Sample stands. Words are only ever added, never renamed."""

    # on its way
    PENDING = "Pending"
    DATASET_NOT_FOUND = "DatasetNotFound"
    DATASET_NOT_READY = "DatasetNotReady"
    INGESTING = "Ingesting"
    # settled
    AVAILABLE = "Available"
    PARTLY_AVAILABLE = "PartlyAvailable"
    REMOVING = "Removing"
    # something is wrong
    INVALID_SPEC = "InvalidSpec"
    BAD_SAMPLE = "BadSample"
    BAD_MANIFEST = "BadManifest"
    NOTHING_USABLE = "NothingUsable"
    KEY_CONFLICT = "KeyConflict"
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    SOURCE_NOT_FOUND = "SourceNotFound"
    SOURCE_NOT_ALLOWED = "SourceNotAllowed"
    SOURCE_UNAVAILABLE = "SourceUnavailable"
    SECRET_NOT_FOUND = "SecretNotFound"
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    NO_SPACE = "NoSpace"
    DATA_SERVER_UNAVAILABLE = "DataServerUnavailable"
    INGEST_FAILED = "IngestFailed"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    UNSCHEDULABLE = "Unschedulable"
    NAME_CONFLICT = "NameConflict"


def _moving(meaning: str) -> ReasonDoc:
    return ReasonDoc(meaning, healable=True)


def _stalled(meaning: str) -> ReasonDoc:
    return ReasonDoc(meaning, stalled=True)


_RETRY: Final = "`kubectl annotate sample NAME --overwrite blueno.dev/requested-at=$(date -u +%FT%TZ)`"

SAMPLE_REASONS: Final[Mapping[SampleReason, ReasonDoc]] = MappingProxyType(
    {
        SampleReason.PENDING: _moving("It waits for its turn; nothing to do."),
        SampleReason.DATASET_NOT_FOUND: _moving(
            "There is no Dataset of that name in this namespace; make it, or correct spec.datasetRef in a new Sample."
        ),
        SampleReason.DATASET_NOT_READY: _moving(
            "The Dataset cannot take samples yet; it goes on when the Dataset is Ready: look at its status."
        ),
        SampleReason.INGESTING: _moving("A pod fetches the samples that came together with it; nothing to do."),
        SampleReason.AVAILABLE: ReasonDoc("It is in the working set, and part of the data set's next version."),
        SampleReason.PARTLY_AVAILABLE: ReasonDoc(
            "Some samples of the manifest could not be taken: status.rejected counts them and names the first. Correct "
            f"the list and ask again with {_RETRY}."
        ),
        SampleReason.REMOVING: _moving(
            "The Sample was deleted and is being taken out of the working set; it goes away by itself."
        ),
        SampleReason.INVALID_SPEC: _stalled("The field that the message names cannot work as it is; correct it."),
        SampleReason.BAD_SAMPLE: _stalled(
            "The bytes are no image or volume that can be used, for the reason in status.rejected; correct the file "
            f"and ask again with {_RETRY}."
        ),
        SampleReason.BAD_MANIFEST: _stalled(
            f"The manifest cannot be read as the message says; correct it and ask again with {_RETRY}."
        ),
        SampleReason.NOTHING_USABLE: _stalled(
            "Not one sample of the manifest could be taken; status.rejected names the first and why. Correct the list "
            f"and ask again with {_RETRY}."
        ),
        SampleReason.KEY_CONFLICT: _stalled(
            "The working set has another sample of this key, which stays; set spec.key to another one, or remove the "
            f"other sample and ask again with {_RETRY}."
        ),
        SampleReason.CHECKSUM_MISMATCH: _stalled(
            "The bytes are not those whose sha256 was given; correct sha256 or the file."
        ),
        SampleReason.SOURCE_NOT_FOUND: _stalled(
            f"There is nothing at the URI, or it may not be read; correct it, then ask again with {_RETRY}."
        ),
        SampleReason.SOURCE_NOT_ALLOWED: _stalled(
            "The address is private and Blueno may not fetch from it, or the URI cannot be used as the message says; "
            "use another one, or ask the administrator to add it to allowedSourceNetworks."
        ),
        SampleReason.SOURCE_UNAVAILABLE: _moving(
            "The source does not answer and is tried again and again; check its address if this lasts."
        ),
        SampleReason.SECRET_NOT_FOUND: _moving(
            "The Secret of spec.secretRef is not there, or lacks the key that the message names; make it."
        ),
        SampleReason.CONFIG_MAP_NOT_FOUND: _moving(
            "The ConfigMap of spec.manifest is not there, or has no such key; make it."
        ),
        SampleReason.NO_SPACE: _moving(
            "The data set's volume is full; free space or enlarge it, then it goes on by itself."
        ),
        SampleReason.DATA_SERVER_UNAVAILABLE: _moving(
            "The data set's data server, which writes the working set, does not answer; it is tried again."
        ),
        SampleReason.INGEST_FAILED: _moving(
            "The pod that fetches samples failed; read the message and its log. The next one is started by itself."
        ),
        SampleReason.IMAGE_PULL_FAILED: _moving(
            "A node cannot get the image of the pod that fetches samples; the administrator checks its name."
        ),
        SampleReason.UNSCHEDULABLE: _moving("No node takes the pod that fetches samples; wait for a node."),
        SampleReason.NAME_CONFLICT: _moving(
            "A Job that Blueno needs to make exists already and belongs to someone else; delete or rename it."
        ),
    }
)
