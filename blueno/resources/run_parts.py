"""The parts of a TrainingRun's spec as frozen values, each read from the spec's dict. Pure.

Called by blueno/resources/training_run.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blueno import names
from blueno.errors import InvalidSpec

_PARAMETER = re.compile(r"\$\(params\.([A-Za-z0-9_.-]{1,64})\)")
MAX_NODES = 256  # as in the schema: the pods of a run are told each other's names
_GIT = re.compile(r"https?://[^\s@]+")


@dataclass(frozen=True)
class DatasetUse:
    """One entry of `spec.datasets`. `version` "" stands for the one that is current when the run starts."""

    name: str
    mount_path: str
    version: str = ""


@dataclass(frozen=True)
class Gpus:
    """`spec.gpus`: of one pod."""

    count: int = 0
    resource_name: str | None = None  # None: the accelerator profile's, else NVIDIA's
    product: str | None = None


@dataclass(frozen=True)
class Code:
    """`spec.code`: a ConfigMap, or a repository and the revision asked for."""

    config_map: str = ""
    git_url: str = ""
    git_revision: str = ""


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
    env_from: tuple[Mapping[str, Any], ...]
    parameters: Mapping[str, str]
    code: Code | None


@dataclass(frozen=True)
class Placement:
    """Where it runs and with how much; everything is of one pod."""

    gpus: Gpus
    profile: str | None
    resources: Mapping[str, Any]
    shm_size: str
    node_selector: Mapping[str, str]
    tolerations: tuple[Mapping[str, Any], ...]
    priority_class: str | None
    queue: str | None
    runtime_class: str | None
    service_account: str | None
    run_as_user: int
    run_as_group: int


@dataclass(frozen=True)
class Team:
    """How many pods train together, and how many processes torchrun starts in each."""

    nodes: int = 1
    processes: int | None = None  # None: one per GPU


@dataclass(frozen=True)
class Limits:
    """How long, how often, and what then."""

    active_deadline_seconds: int | None
    backoff_limit: int
    grace_seconds: int
    ttl_seconds: int | None
    new_attempt_when_lost: bool


@dataclass(frozen=True)
class Keeping:
    """What outlives a pod: outputs and checkpoints."""

    claim: str  # of the outputs
    own_claim: bool  # the namespace's `blueno-outputs`, which is made when it is missing
    resume: str  # Auto, Never or From
    resume_from: str  # name of the other run


@dataclass(frozen=True)
class Metrics:
    """`spec.metrics`."""

    stdout: bool
    objective: str  # name of the number by which runs are compared, or ""


def container(spec: Mapping[str, Any]) -> Container:
    """Raises InvalidSpec."""
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
        env_from=tuple(spec.get("envFrom") or ()),
        parameters=parameters,
        code=_code(spec.get("code")),
    )


def _filled_in(text: str, parameters: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found[1] not in parameters:
            known = ", ".join(sorted(parameters)) or "there are none"
            raise InvalidSpec("spec.args", f"{found[0]} names no parameter; spec.parameters: {known}")
        return parameters[found[1]]

    return _PARAMETER.sub(value, text)


def _code(code: Mapping[str, Any] | None) -> Code | None:
    if not code:
        return None
    git = code.get("git") or {}
    if git and _GIT.fullmatch(git.get("url", "")) is None:
        raise InvalidSpec("spec.code.git.url", "must be an https address without user and password")
    return Code((code.get("configMapRef") or {}).get("name", ""), git.get("url", ""), git.get("revision", ""))


def datasets(entries: Any) -> tuple[DatasetUse, ...]:
    """Raises InvalidSpec for mount paths that cannot be."""
    found = tuple(
        DatasetUse(
            entry["name"],
            entry.get("mountPath") or f"{names.DATASET_MOUNTS}/{entry['name']}",
            entry.get("version") or "",
        )
        for entry in entries
    )
    paths = [use.mount_path.rstrip("/") for use in found]
    for path in paths:
        if ".." in path.split("/") or not path.startswith("/"):
            raise InvalidSpec("spec.datasets", f"mountPath {path} must be an absolute path without ..")
    if len(set(paths)) != len(paths):
        raise InvalidSpec("spec.datasets", "two data sets have the same mountPath")
    taken = (names.OUTPUT_MOUNT, names.CODE_MOUNT, names.RESUME_MOUNT, names.TRAINING_HOME)
    if busy := sorted(set(paths) & set(taken)):
        raise InvalidSpec("spec.datasets", f"mountPath {busy[0]} is where Blueno mounts something else")
    return found


def placement(spec: Mapping[str, Any]) -> Placement:
    """Where the spec wants its pods."""
    gpus, security = spec.get("gpus") or {}, spec.get("podSecurity") or {}
    return Placement(
        gpus=Gpus(gpus.get("count", 0), gpus.get("resourceName"), gpus.get("product")),
        profile=spec.get("acceleratorProfile"),
        resources=spec.get("resources") or {},
        shm_size=spec.get("shmSize", "2Gi"),
        node_selector=spec.get("nodeSelector") or {},
        tolerations=tuple(spec.get("tolerations") or ()),
        priority_class=spec.get("priorityClassName"),
        queue=spec.get("queueName"),
        runtime_class=spec.get("runtimeClassName"),
        service_account=spec.get("serviceAccountName"),
        run_as_user=security.get("runAsUser", names.UID),
        run_as_group=security.get("runAsGroup", names.UID),
    )


def team(spec: Mapping[str, Any]) -> Team:
    """Raises InvalidSpec: a number that no schema has bounded is memory in the operator."""
    nodes = spec.get("numNodes", 1)
    if not 1 <= nodes <= MAX_NODES:
        raise InvalidSpec("spec.numNodes", f"must be from 1 to {MAX_NODES}")
    return Team(nodes, spec.get("numProcPerNode"))


def limits(spec: Mapping[str, Any]) -> Limits:
    """How long and how often."""
    return Limits(
        active_deadline_seconds=spec.get("activeDeadlineSeconds"),
        backoff_limit=spec.get("backoffLimit", 0),
        grace_seconds=spec.get("terminationGracePeriodSeconds", 30),
        ttl_seconds=spec.get("ttlSecondsAfterFinished"),
        new_attempt_when_lost=spec.get("onNodeLost") == "NewAttempt",
    )


def keeping(spec: Mapping[str, Any]) -> Keeping:
    """Outputs and checkpoints."""
    named = (spec.get("output") or {}).get("existingClaim")
    checkpoint = spec.get("checkpoint") or {}
    other = (checkpoint.get("from") or {}).get("run", "")
    return Keeping(named or names.OUTPUTS_CLAIM, named is None, checkpoint.get("resume", "Auto"), other)


def metrics(spec: Mapping[str, Any]) -> Metrics:
    """What is said about its numbers."""
    said = spec.get("metrics") or {}
    return Metrics(bool(said.get("stdout")), (said.get("objective") or {}).get("name", ""))
