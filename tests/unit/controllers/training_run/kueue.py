"""Workloads as Kueue writes them (kueue.x-k8s.io/v1beta2), for tests."""

from __future__ import annotations

from typing import Any

from blueno.resources.workload import Admission, Workload


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    """One of `status.conditions`."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-11-24T12:00:01Z",
        "observedGeneration": 1,
    }


def a_workload(*conditions: dict[str, Any], active: bool = True, **status: Any) -> dict[str, Any]:
    """One Workload of namespace lab."""
    return {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "Workload",
        "metadata": {"name": "job-train-11111111-a1-3f1c2", "namespace": "lab"},
        "spec": {"queueName": "team", "active": active, "podSets": [{"name": "main", "count": 1}]},
        "status": {"conditions": list(conditions), **status},
    }


def says(*conditions: dict[str, Any], active: bool = True, **status: Any) -> Admission:
    """What the operator learns from such a Workload."""
    return Admission(True, Workload.parse(a_workload(*conditions, active=active, **status)))
