"""A TrainingRun as a frozen value. `TrainingRun.parse(body)` is called by controllers/training_run/kind.py. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from blueno import names
from blueno.errors import InvalidSpec
from blueno.resources.conditions import Condition, find, parse_conditions, parse_time

_PARAMETER = re.compile(r"\$\(params\.([A-Za-z0-9_.-]{1,64})\)")


@dataclass(frozen=True)
class DatasetUse:
    """One entry of `spec.datasets`: the version that is current when the run starts."""

    name: str
    mount_path: str


@dataclass(frozen=True)
class Gpus:
    """`spec.gpus`: of one pod."""

    count: int = 0
    resource_name: str = "nvidia.com/gpu"
    product: str | None = None


@dataclass(frozen=True)
class Container:
    """What runs."""

    image: str
    pull_policy: str | None
    pull_secrets: tuple[str, ...]
    command: tuple[str, ...]
    args: tuple[str, ...]  # with the parameters filled in
    working_dir: str | None
    env: tuple[Mapping[str, Any], ...]
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Placement:
    """Where it runs and with how much."""

    gpus: Gpus
    resources: Mapping[str, Any]
    shm_size: str
    node_selector: Mapping[str, str]
    tolerations: tuple[Mapping[str, Any], ...]
    priority_class: str | None
    run_as_user: int
    run_as_group: int


@dataclass(frozen=True)
class Limits:
    """How long, and how often."""

    active_deadline_seconds: int | None
    backoff_limit: int
    grace_seconds: int


@dataclass(frozen=True)
class TrainingRun:
    """One TrainingRun: identity, spec and the part of the status that decisions rest on."""

    name: str
    namespace: str
    uid: str
    generation: int
    observed_generation: int  # -1 before the first status
    deleting: bool
    container: Container
    datasets: tuple[DatasetUse, ...]
    placement: Placement
    limits: Limits
    suspend: bool
    attempt: int  # Jobs made so far
    job_name: str | None  # status.jobRef: of the attempt that is under way
    pinned: Mapping[str, str]  # name of a data set → digest it was started with
    started: datetime | None
    conditions: tuple[Condition, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether it has succeeded or failed for good."""
        succeeded = find(self.conditions, "Succeeded")
        return succeeded is not None and succeeded.status in ("True", "False")

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> TrainingRun:
        """Raises InvalidSpec for what the schema cannot see or an older one let pass."""
        meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
        return cls(
            name=meta["name"],
            namespace=meta["namespace"],
            uid=meta["uid"],
            generation=meta.get("generation", 1),
            observed_generation=status.get("observedGeneration", -1),
            deleting=bool(meta.get("deletionTimestamp")),
            container=_container(spec),
            datasets=_datasets(spec.get("datasets") or ()),
            placement=_placement(spec),
            limits=Limits(
                active_deadline_seconds=spec.get("activeDeadlineSeconds"),
                backoff_limit=spec.get("backoffLimit", 0),
                grace_seconds=spec.get("terminationGracePeriodSeconds", 30),
            ),
            suspend=bool(spec.get("suspend", False)),
            attempt=status.get("attempt", 0),
            job_name=(status.get("jobRef") or {}).get("name"),
            pinned={entry["name"]: entry["digest"] for entry in status.get("datasets") or ()},
            started=parse_time(status.get("startTime", "")),
            conditions=parse_conditions(status.get("conditions") or ()),
            status=status,
        )


def _container(spec: Mapping[str, Any]) -> Container:
    if not spec.get("image"):
        raise InvalidSpec("spec.image", "must name the image that trains")
    parameters = {str(key): str(value) for key, value in (spec.get("parameters") or {}).items()}
    env = tuple(spec.get("env") or ())
    for entry in env:
        if str(entry.get("name", "")).startswith(names.RESERVED_ENV):
            raise InvalidSpec("spec.env", f"{entry['name']} is set by Blueno; choose another name")
    return Container(
        image=spec["image"],
        pull_policy=spec.get("imagePullPolicy"),
        pull_secrets=tuple(entry["name"] for entry in spec.get("imagePullSecrets") or ()),
        command=tuple(spec.get("command") or ()),
        args=tuple(_filled_in(text, parameters) for text in spec.get("args") or ()),
        working_dir=spec.get("workingDir"),
        env=env,
        parameters=parameters,
    )


def _filled_in(text: str, parameters: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found[1] not in parameters:
            known = ", ".join(sorted(parameters)) or "there are none"
            raise InvalidSpec("spec.args", f"{found[0]} names no parameter; spec.parameters: {known}")
        return parameters[found[1]]

    return _PARAMETER.sub(value, text)


def _datasets(entries: Any) -> tuple[DatasetUse, ...]:
    found = tuple(
        DatasetUse(entry["name"], entry.get("mountPath") or f"{names.DATASET_MOUNTS}/{entry['name']}")
        for entry in entries
    )
    paths = [use.mount_path.rstrip("/") for use in found]
    for path in paths:
        if ".." in path.split("/") or not path.startswith("/"):
            raise InvalidSpec("spec.datasets", f"mountPath {path} must be an absolute path without ..")
    if len(set(paths)) != len(paths):
        raise InvalidSpec("spec.datasets", "two data sets have the same mountPath")
    return found


def _placement(spec: Mapping[str, Any]) -> Placement:
    gpus, security = spec.get("gpus") or {}, spec.get("podSecurity") or {}
    return Placement(
        gpus=Gpus(gpus.get("count", 0), gpus.get("resourceName", "nvidia.com/gpu"), gpus.get("product")),
        resources=spec.get("resources") or {},
        shm_size=spec.get("shmSize", "2Gi"),
        node_selector=spec.get("nodeSelector") or {},
        tolerations=tuple(spec.get("tolerations") or ()),
        priority_class=spec.get("priorityClassName"),
        run_as_user=security.get("runAsUser", names.UID),
        run_as_group=security.get("runAsGroup", names.UID),
    )
