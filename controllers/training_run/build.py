"""Manifest of a TrainingRun's Job. Pure: frozen values in, plain dicts out. Called by decide.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blueno import names
from blueno.resources.training_run import Placement, TrainingRun
from controllers.objects.meta import Owner, labels, owner_reference
from controllers.objects.pod import environment, restricted_container, restricted_pod
from controllers.training_run.observe import DatasetView

GPU_TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
GPU_PRODUCT_LABEL = "nvidia.com/gpu.product"  # set by NVIDIA's feature discovery
_CACHES = {"XDG_CACHE_HOME": ".cache", "HF_HOME": ".cache/huggingface", "TORCH_HOME": ".cache/torch"}


def build_job(run: TrainingRun, attempt: int, datasets: Sequence[DatasetView]) -> dict[str, Any]:
    """The Job of one attempt. `datasets` have the digests that are pinned in the run's status."""
    owner = Owner(names.TRAINING_RUN_KIND, run.name, run.namespace, run.uid)
    marks = labels(owner, names.ROLE_TRAIN, {names.ATTEMPT_LABEL: str(attempt)})
    spec: dict[str, Any] = {
        "completions": 1,
        "parallelism": 1,
        "backoffLimit": run.limits.backoff_limit,
        "podReplacementPolicy": "Failed",
        # Being evicted or preempted is nobody's failure.
        "podFailurePolicy": {
            "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
        },
        "template": {"metadata": {"labels": dict(marks)}, "spec": _pod(run, datasets)},
    }
    if run.limits.active_deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = run.limits.active_deadline_seconds
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.train_job_name(run.name, run.uid, attempt),
            "namespace": run.namespace,
            "labels": marks,
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": spec,
    }


def _pod(run: TrainingRun, datasets: Sequence[DatasetView]) -> dict[str, Any]:
    volumes, mounts = _volumes(run, datasets)
    place, restricted = run.placement, restricted_pod()
    identity = {"runAsUser": place.run_as_user, "runAsGroup": place.run_as_group, "fsGroup": place.run_as_group}
    spec: dict[str, Any] = {
        **restricted,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": run.limits.grace_seconds,
        "securityContext": restricted["securityContext"] | identity,
        "containers": [_container(run, mounts)],
        "volumes": volumes,
    }
    optional = {
        "nodeSelector": dict(place.node_selector),
        "affinity": _affinity(place),
        "tolerations": [*map(dict, place.tolerations), *([GPU_TOLERATION] if place.gpus.count else [])],
        "priorityClassName": place.priority_class,
        "imagePullSecrets": [{"name": name} for name in run.container.pull_secrets],
    }
    return spec | {key: value for key, value in optional.items() if value}


def _container(run: TrainingRun, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    what = run.container
    made: dict[str, Any] = {
        "name": names.ROLE_TRAIN,
        "image": what.image,
        "env": [*environment(_environment(run)), *map(dict, what.env)],
        "resources": _resources(run.placement),
        # Ordinary images write where they please: only the root file system's own permissions bind them.
        "securityContext": restricted_container() | {"readOnlyRootFilesystem": False},
        "volumeMounts": mounts,
    }
    optional = {
        "imagePullPolicy": what.pull_policy,
        "command": list(what.command),
        "args": list(what.args),
        "workingDir": what.working_dir,
    }
    return made | {key: value for key, value in optional.items() if value}


def _environment(run: TrainingRun) -> dict[str, str]:
    home = names.TRAINING_HOME
    env = {"HOME": home, "USER": "blueno", names.ENV_RUN: run.name}
    env |= {key: f"{home}/{folder}" for key, folder in _CACHES.items()}
    env |= {names.ENV_DATASET_PREFIX + names.env_suffix(use.name): use.mount_path for use in run.datasets}
    env |= {names.ENV_PARAMETER_PREFIX + names.env_suffix(k): v for k, v in run.container.parameters.items()}
    return env


def _resources(place: Placement) -> dict[str, Any]:
    """The spec's resources with the GPUs: Kubernetes wants extended resources among the limits."""
    resources = {key: dict(value) for key, value in place.resources.items()}
    if place.gpus.count:
        resources["limits"] = {**resources.get("limits", {}), place.gpus.resource_name: str(place.gpus.count)}
    return resources


def _affinity(place: Placement) -> Mapping[str, Any]:
    if not place.gpus.product:
        return {}
    is_product = {"key": GPU_PRODUCT_LABEL, "operator": "In", "values": [place.gpus.product]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [is_product]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def _volumes(run: TrainingRun, datasets: Sequence[DatasetView]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    volumes: list[dict[str, Any]] = [
        {"name": "home", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": run.placement.shm_size}},
    ]
    mounts: list[dict[str, Any]] = [
        {"name": "home", "mountPath": names.TRAINING_HOME},
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108
    ]
    for number, view in enumerate(datasets):
        name, digest = f"dataset-{number}", run.pinned[view.use.name]
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": view.claim, "readOnly": True}})
        folder = f"{view.path}/{names.VERSIONS_DIR}/{names.version_dir(digest)}"
        mounts.append({"name": name, "mountPath": view.use.mount_path, "subPath": folder, "readOnly": True})
    return volumes, mounts
