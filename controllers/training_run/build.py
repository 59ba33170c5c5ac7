"""Manifests of a TrainingRun's children. Pure: frozen values in, plain dicts out. Called by decide.py."""

from __future__ import annotations

import json
from typing import Any

from blueno import names
from blueno.resources.training_run import TrainingRun
from controllers.objects.meta import Owner, labels, owner_reference
from controllers.objects.pod import claim_labels
from controllers.training_run.pod import Attempt, build_pod
from controllers.world import World

_DISRUPTED = [{"type": "DisruptionTarget", "status": "True"}]


def build_job(attempt: Attempt, world: World) -> dict[str, Any]:
    """The Job of one attempt."""
    run = attempt.run
    owner = _owner(run)
    marks = labels(owner, names.ROLE_TRAIN, {names.ATTEMPT_LABEL: str(attempt.number)})
    notes = {names.REPORT_CA: world.report_ca}
    if run.metrics.stdout:
        notes[names.METRICS_STDOUT] = "true"
    meta = {
        "name": names.train_job_name(run.name, run.uid, attempt.number),
        "namespace": run.namespace,
        "labels": marks | ({names.KUEUE_QUEUE_LABEL: run.placement.queue} if run.placement.queue else {}),
        "annotations": {names.PINNED: json.dumps(dict(attempt.pinned), sort_keys=True)},
        "ownerReferences": [owner_reference(owner)],
    }
    template = {
        "metadata": {"labels": marks | claim_labels(attempt.for_one_node), "annotations": notes},
        "spec": build_pod(attempt, world),
    }
    spec = (_alone(run) if run.team.nodes == 1 else _together(run)) | {"template": template}
    if run.limits.active_deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = run.limits.active_deadline_seconds
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def _alone(run: TrainingRun) -> dict[str, Any]:
    """One pod: the Job itself replaces it. Being evicted or preempted is nobody's failure."""
    return {
        "completions": 1,
        "parallelism": 1,
        "backoffLimit": run.limits.backoff_limit,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": _DISRUPTED}]},
    }


def _together(run: TrainingRun) -> dict[str, Any]:
    """Several pods end together: one that came back alone would wait for peers that have given up on it."""
    return {
        "completions": run.team.nodes,
        "parallelism": run.team.nodes,
        "completionMode": "Indexed",
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": [{"action": "FailJob", "onPodConditions": _DISRUPTED}]},
    }


def build_service(run: TrainingRun) -> dict[str, Any]:
    """The headless Service that gives each pod of a run on several nodes a name, before it is ready."""
    owner = _owner(run)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": names.team_service_name(run.name, run.uid),
            "namespace": run.namespace,
            "labels": labels(owner, names.ROLE_TRAIN),
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {names.OWNER_UID: run.uid, names.ROLE_LABEL: names.ROLE_TRAIN},
            "ports": [{"name": "team", "port": names.TEAM_PORT}],
        },
    }


def build_outputs_claim(namespace: str, world: World) -> dict[str, Any]:
    """The claim that a namespace's runs write to. It belongs to nobody: nothing of ours ever deletes it."""
    template = world.config.outputs
    spec: dict[str, Any] = {
        "accessModes": list(template.get("accessModes") or ["ReadWriteMany"]),
        "resources": {"requests": {"storage": template.get("size", "20Gi")}},
    }
    if template.get("storageClassName"):
        spec["storageClassName"] = template["storageClassName"]
    marks = {
        "app.kubernetes.io/name": "blueno",
        names.MANAGED_BY_LABEL: names.OPERATOR,
        names.ROLE_LABEL: names.ROLE_OUTPUTS,
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": names.OUTPUTS_CLAIM, "namespace": namespace, "labels": marks},
        "spec": spec,
    }


def _owner(run: TrainingRun) -> Owner:
    return Owner(names.TRAINING_RUN_KIND, run.name, run.namespace, run.uid)
