"""The pod of one attempt: passes Pod Security "restricted", yet ordinary images run in it. Pure; called by build.py.

Nothing is mounted over /workspace itself: many images keep their code there. A container of ours makes the output
directory (the kubelet would make it root's) and fetches code before the training begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blueno import names
from blueno.resources.run_parts import Placement
from blueno.resources.training_run import TrainingRun
from controllers.objects.pod import report_files, restricted_container, restricted_pod
from controllers.training_run.environment import build_environment, checkpoints_dir
from controllers.training_run.observe import DatasetView, Earlier
from controllers.training_run.place import affinity, placed, resources
from controllers.world import World

# Less than any training asks for: a pod's request is the larger of its init containers' and its containers' sum.
SETUP_RESOURCES = {"requests": {"cpu": "5m", "memory": "64Mi"}}
CODE_LIMIT = "2Gi"  # of a repository: more belongs into an image
_Parts = tuple[list[dict[str, Any]], list[dict[str, Any]]]  # volumes, mounts


@dataclass(frozen=True)
class Attempt:
    """One attempt at a run, and what it may use."""

    run: TrainingRun
    number: int
    datasets: Sequence[DatasetView]
    pinned: Mapping[str, str]  # name of a data set → digest of the version it reads
    earlier: Earlier | None  # the run whose checkpoint this one begins with

    @property
    def for_one_node(self) -> tuple[str, ...]:
        """Claims of its data sets that only one node at a time can have."""
        return tuple(sorted({view.claim for view in self.datasets if view.claim and not view.shared}))


def build_pod(attempt: Attempt, world: World) -> dict[str, Any]:
    """The spec of the pod template."""
    run = attempt.run
    place, restricted = placed(run.placement, world.config.accelerator_profiles), restricted_pod()
    volumes, mounts = _volumes(attempt)
    identity = {"runAsUser": place.run_as_user, "runAsGroup": place.run_as_group, "fsGroup": place.run_as_group}
    spec: dict[str, Any] = {
        **restricted,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": run.limits.grace_seconds,
        "securityContext": restricted["securityContext"] | identity,
        "initContainers": [_setup(attempt, world)],
        "containers": [_container(attempt, place, world, mounts)],
        "volumes": volumes,
    }
    if place.service_account:  # whoever names one wants what its token allows
        spec |= {"serviceAccountName": place.service_account, "automountServiceAccountToken": True}
    optional = {
        "nodeSelector": dict(place.node_selector),
        "affinity": affinity(place, attempt.for_one_node),
        "tolerations": [dict(toleration) for toleration in place.tolerations],
        "priorityClassName": place.priority_class,
        "runtimeClassName": place.runtime_class,
        "imagePullSecrets": [{"name": name} for name in run.container.pull_secrets],
        "subdomain": names.team_service_name(run.name, run.uid) if run.team.nodes > 1 else None,
    }
    return spec | {key: value for key, value in optional.items() if value}


def _container(attempt: Attempt, place: Placement, world: World, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    run, what = attempt.run, attempt.run.container
    made: dict[str, Any] = {
        "name": names.ROLE_TRAIN,
        "image": what.image,
        "env": build_environment(run, attempt.number, world.config.report_url, resume_from(attempt)),
        "resources": resources(place),
        # Ordinary images write where they please: only the root file system's own permissions bind them.
        "securityContext": restricted_container() | {"readOnlyRootFilesystem": False},
        # What a program that fails has said last becomes status.failure.lastLines.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }
    optional = {
        "imagePullPolicy": what.pull_policy,
        "command": list(what.command),
        "args": list(what.args),
        "workingDir": what.working_dir or (names.CODE_MOUNT if what.code is not None else None),
        "envFrom": [dict(entry) for entry in what.env_from],
    }
    return made | {key: value for key, value in optional.items() if value}


def _setup(attempt: Attempt, world: World) -> dict[str, Any]:
    run, config = attempt.run, world.config
    args = ["--root", names.OUTPUTS_ROOT, "--directory", names.output_dir(run.name, run.uid)]
    args += ["--checkpoints", checkpoints_dir(run, attempt.number), "--group", str(run.placement.run_as_group)]
    mounts = [{"name": "outputs", "mountPath": names.OUTPUTS_ROOT}]
    code = run.container.code
    if code is not None and code.git_url:
        revision = str(run.status.get("codeRevision") or code.git_revision)
        args += ["--git", code.git_url, "--revision", revision, "--into", names.CODE_MOUNT]
        mounts.append({"name": "code", "mountPath": names.CODE_MOUNT})
    return {
        "name": names.ROLE_SETUP,
        "image": config.prep_image,
        "imagePullPolicy": config.image_pull_policy,
        "command": ["python", "-m", "blueno.runsetup"],
        "args": args,
        "resources": SETUP_RESOURCES,
        # The same user for every run: what one has made, the next can use. The run's group may write, too.
        "securityContext": restricted_container() | {"runAsUser": names.UID},
        "volumeMounts": mounts,
    }


def resume_from(attempt: Attempt) -> str:
    """The checkpoint that an attempt begins with, as its pod sees it; "" for none."""
    run = attempt.run
    if run.keeping.resume == "Never":
        return ""
    own = str((run.status.get("checkpoint") or {}).get("path") or "")
    return own or (attempt.earlier.checkpoint if attempt.earlier is not None else "")


def _volumes(attempt: Attempt) -> _Parts:
    run = attempt.run
    own = names.output_dir(run.name, run.uid)
    volumes: list[dict[str, Any]] = [
        {"name": "home", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": run.placement.shm_size}},
        {"name": "outputs", "persistentVolumeClaim": {"claimName": run.keeping.claim}},
    ]
    mounts: list[dict[str, Any]] = [
        {"name": "home", "mountPath": names.TRAINING_HOME},
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108
        {"name": "outputs", "mountPath": names.OUTPUT_MOUNT, "subPath": own},
    ]
    earlier = attempt.earlier
    if earlier is not None and earlier.path:
        mounts.append({"name": "outputs", "mountPath": names.RESUME_MOUNT, "subPath": earlier.path, "readOnly": True})
    for more_volumes, more_mounts in (report_files(), _code(run), _datasets(attempt)):
        volumes += more_volumes
        mounts += more_mounts
    return volumes, mounts


def _code(run: TrainingRun) -> _Parts:
    code = run.container.code
    if code is None:
        return [], []
    source = {"configMap": {"name": code.config_map}} if code.config_map else {"emptyDir": {"sizeLimit": CODE_LIMIT}}
    return [{"name": "code", **source}], [{"name": "code", "mountPath": names.CODE_MOUNT, "readOnly": True}]


def _datasets(attempt: Attempt) -> _Parts:
    volumes, mounts = [], []
    for number, view in enumerate(attempt.datasets):
        name, digest = f"dataset-{number}", attempt.pinned[view.use.name]
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": view.claim, "readOnly": True}})
        folder = f"{view.path}/{names.VERSIONS_DIR}/{names.version_dir(digest)}"
        mounts.append({"name": name, "mountPath": view.use.mount_path, "subPath": folder, "readOnly": True})
    return volumes, mounts
