"""A Dataset as a frozen value. `Dataset.parse(body)` is called by controllers/dataset/kind.py. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from blueno import names
from blueno.errors import InvalidSpec
from blueno.resources.conditions import Condition, parse_conditions, parse_time
from blueno.resources.spec_types import DATASET, MAX_DEPTH, check_types, is_deep

SOURCES = ("tfds", "archive", "claim", "upload")
STORAGE_KINDS = ("claimTemplate", "existingClaim", "nfs", "managedNFS", "hostPath")
STATIC_KINDS = ("nfs", "managedNFS", "hostPath")  # the operator makes a PersistentVolume, and a claim bound to it
METADATA_LIMIT = 16384  # bytes of JSON in spec.metadata
EARLIER_VERSIONS = 10  # that status names; older ones stay on disk
REQUEST_LIMIT = 128  # characters of the annotation requested-at


@dataclass(frozen=True)
class Storage:
    """Where a data set lies: one of STORAGE_KINDS with its parameters."""

    kind: str
    parameters: Mapping[str, Any]
    sub_path: str | None = None

    @property
    def is_static(self) -> bool:
        """Whether claim and PersistentVolume are made by the operator and hold no data: it lies on a server or node."""
        return self.kind in STATIC_KINDS


@dataclass(frozen=True)
class Prepare:
    """`spec.prepare` with the schema's defaults filled in."""

    resources: Mapping[str, Any] = field(default_factory=dict)
    gpus: Mapping[str, Any] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    on_bad_sample: str = "Skip"
    max_bad_samples: int = 100
    backoff_limit: int = 3
    active_deadline_seconds: int | None = None
    ttl_seconds_after_finished: int = 3600


@dataclass(frozen=True)
class WorkStatus:
    """`status.work`: the work in hand or last done. `outcome` is "", "Sealed", "Open" or "Failed"."""

    hash: str = ""
    attempt: int = 0
    outcome: str = ""
    requested_at: str | None = None


@dataclass(frozen=True)
class Dataset:
    """One Dataset: identity, spec and the part of the status that decisions rest on."""

    name: str
    namespace: str
    uid: str
    generation: int
    observed_generation: int  # -1 before the first status
    source: Mapping[str, Any]
    layout: Mapping[str, Any]
    storage: Storage | None
    prepare: Prepare
    reclaim: str
    suspend: bool
    deleting_since: datetime | None
    finalizers: tuple[str, ...]
    requested_at: str | None  # the annotation
    last_handled_request: str | None
    work: WorkStatus
    version: Mapping[str, Any] | None
    conditions: tuple[Condition, ...]
    status: Mapping[str, Any]

    @property
    def source_kind(self) -> str:
        return next(iter(self.source))

    @property
    def accepts_samples(self) -> bool:
        """Whether an attempt has proven that its volume can be written: people may add samples to the working set."""
        return bool((self.status.get("working") or {}).get("accepts"))

    @property
    def holds_data(self) -> bool:
        """Whether something lies on its volume that cannot be made again by looking: a version, or added samples."""
        return holds_data(self.status)

    @property
    def wants_erase(self) -> bool:
        """Whether deleting this Dataset erases its data."""
        return self.reclaim == "Delete"

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Dataset:
        """Raises InvalidSpec for what the schema should have refused (an older CRD, a hand-made object)."""
        meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
        source = _one_of(spec.get("source"), SOURCES, "spec.source") if isinstance(spec, Mapping) else {}
        check_types(spec, DATASET)
        _check_metadata(spec.get("metadata"))
        deleted = meta.get("deletionTimestamp")
        return cls(
            name=meta["name"],
            namespace=meta["namespace"],
            uid=meta["uid"],
            generation=meta.get("generation", 1),
            observed_generation=status.get("observedGeneration", -1),
            # The Secret has no part in what is read from the working set: another one is no new work.
            source={"upload": {}} if "upload" in source else source,
            layout={"type": "auto", **(spec.get("layout") or {})},
            storage=_parse_storage(spec.get("storage")),
            prepare=_parse_prepare(spec.get("prepare") or {}),
            reclaim=spec.get("reclaimPolicy", "Retain"),
            suspend=bool(spec.get("suspend", False)),
            deleting_since=parse_time(deleted) if deleted else None,
            finalizers=tuple(meta.get("finalizers") or ()),
            requested_at=_request(meta.get("annotations") or {}),
            last_handled_request=status.get("lastHandledRequest"),
            work=_parse_work(status.get("work") or {}),
            version=status.get("version"),
            conditions=parse_conditions(status.get("conditions") or ()),
            status=status,
        )


def holds_data(status: Mapping[str, Any]) -> bool:
    """Dataset.holds_data, of a status alone."""
    return bool(status.get("version") or (status.get("working") or {}).get("accepts"))


def _check_metadata(value: Any) -> None:
    """The schema can only count the keys of free JSON."""
    if is_deep(value):
        raise InvalidSpec("spec.metadata", f"must not be nested deeper than {MAX_DEPTH} levels")
    if value is not None and len(json.dumps(value)) > METADATA_LIMIT:
        raise InvalidSpec("spec.metadata", f"must be at most {METADATA_LIMIT} bytes of JSON: keep a link instead")


def _request(annotations: Mapping[str, str]) -> str | None:
    """The annotation is free text; as much of it counts as status can echo."""
    value = annotations.get(names.REQUESTED_AT)
    return value[:REQUEST_LIMIT] if value else None


def _one_of(value: Any, allowed: tuple[str, ...], path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or len(value) != 1 or next(iter(value)) not in allowed:
        raise InvalidSpec(path, f"set exactly one of {', '.join(allowed)}")
    return value


def _parse_storage(value: Mapping[str, Any] | None) -> Storage | None:
    """None: the operator's configured default."""
    if not value:
        return None
    sub_path = value.get("subPath")
    kinds = {key: parameters for key, parameters in value.items() if key != "subPath"}
    if not kinds:
        raise InvalidSpec("spec.storage", f"set exactly one of {', '.join(STORAGE_KINDS)}")
    kind, parameters = next(iter(_one_of(kinds, STORAGE_KINDS, "spec.storage").items()))
    if sub_path is not None and (sub_path.startswith("/") or {"", ".", ".."} & set(sub_path.split("/"))):
        raise InvalidSpec("spec.storage.subPath", "must be a relative path without . or ..")
    return Storage(kind, parameters or {}, sub_path)


def _parse_prepare(value: Mapping[str, Any]) -> Prepare:
    given: dict[str, Any] = {
        "resources": value.get("resources"),
        "gpus": value.get("gpus"),
        "node_selector": value.get("nodeSelector"),
        "tolerations": tuple(value["tolerations"]) if "tolerations" in value else None,
        "on_bad_sample": value.get("onBadSample"),
        "max_bad_samples": value.get("maxBadSamples"),
        "backoff_limit": value.get("backoffLimit"),
        "active_deadline_seconds": value.get("activeDeadlineSeconds"),
        "ttl_seconds_after_finished": value.get("ttlSecondsAfterFinished"),
    }
    return Prepare(**{key: item for key, item in given.items() if item is not None})


def _parse_work(value: Mapping[str, Any]) -> WorkStatus:
    return WorkStatus(
        hash=value.get("hash", ""),
        attempt=value.get("attempt", 0),
        outcome=value.get("outcome", ""),
        requested_at=value.get("requestedAt"),
    )
