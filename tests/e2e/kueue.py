"""The test as Kueue: a stand-in for its CRD, Jobs held and let go, Workloads with the conditions that it would write.

The CRD here is a stand-in for Kueue's workloads.kueue.x-k8s.io, structure only: of its published v1beta2 types the
fields that Blueno reads, and none of their validation. Used by test_training_queue.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.kube import Kube
from tests.e2e.runs import a_run, allow_no_pods

NAME = "workloads.kueue.x-k8s.io"
_TEXT, _NUMBER, _ANYTHING = {"type": "string"}, {"type": "integer"}, {"x-kubernetes-preserve-unknown-fields": True}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _list_of(key: str, item: dict[str, Any]) -> dict[str, Any]:
    listed = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
    return {**listed, "items": {**item, "required": [key]}}


def _crd() -> dict[str, Any]:
    condition = _object(
        type=_TEXT, status=_TEXT, reason=_TEXT, message=_TEXT, lastTransitionTime=_TEXT, observedGeneration=_NUMBER
    )
    check = _object(name=_TEXT, state=_TEXT, message=_TEXT, lastTransitionTime=_TEXT)
    pod_set = _object(name=_TEXT, count=_NUMBER, template={"type": "object", **_ANYTHING})
    spec = _object(queueName=_TEXT, active={"type": "boolean"}, podSets=_list_of("name", pod_set))
    status = _object(
        conditions=_list_of("type", condition),
        admissionChecks=_list_of("name", check),
        requeueState=_object(count=_NUMBER, requeueAt=_TEXT),
        admission={"type": "object", **_ANYTHING},
    )
    version = {
        "name": "v1beta2",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": _object(spec=spec, status=status)},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": "kueue.x-k8s.io",
            "scope": "Namespaced",
            "names": {"kind": "Workload", "listKind": "WorkloadList", "plural": "workloads", "singular": "workload"},
            "versions": [version],
        },
    }


@contextmanager
def kueue_installed(kube: Kube) -> Iterator[None]:
    """The stand-in is there while the block runs; a Kueue of somebody else's is left alone."""
    if kube.get("customresourcedefinitions", NAME):
        pytest.skip("this cluster has a Kueue of its own: the stand-in would take its place")
    kube.apply(_crd())
    try:
        kube.run("wait", "--for=condition=Established", f"crd/{NAME}", "--timeout=120s")
        yield
    finally:
        kube.run("delete", "crd", NAME, "--timeout=180s")


def hold(kube: Kube, name: str, queue: str = "team", program: str = "pass") -> str:
    """A run whose Job is suspended before it has a pod, as Kueue's webhook does it; the Job's name."""
    allow_no_pods(kube, f"closed-{name}")  # so that none comes first
    kube.apply(a_run(name, program, queueName=queue))
    selector = f"blueno.dev/training-run={name}"
    job = kube.wait("a Job", lambda: kube.list("jobs", selector))[0]["metadata"]["name"]
    suspend(kube, job, held=True)
    kube.run("delete", "quota", f"closed-{name}")
    return str(job)


def suspend(kube: Kube, job: str, held: bool) -> None:
    """Hold a Job, or let it go."""
    kube.run("patch", "job", job, "--type=merge", "-p", json.dumps({"spec": {"suspend": held}}))


def make_workload(kube: Kube, job: str, queue: str = "team") -> None:
    """The Workload of a Job, not yet looked at."""
    meta = kube.get("job", job)["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": meta["uid"], "controller": True}
    labels = {"kueue.x-k8s.io/job-uid": meta["uid"]}
    kube.apply(
        {
            "apiVersion": "kueue.x-k8s.io/v1beta2",
            "kind": "Workload",
            "metadata": {"name": f"job-{job}", "labels": labels, "ownerReferences": [owner]},
            "spec": {"queueName": queue, "active": True, "podSets": [{"name": "main", "count": 1}]},
        }
    )


def say(kube: Kube, job: str, *conditions: tuple[str, str, str, str], **status: Any) -> None:
    """Write the Workload's status: (type, status, reason, message) of all its conditions."""
    keys = ("type", "status", "reason", "message")
    now = {"lastTransitionTime": "2026-11-24T12:00:00Z", "observedGeneration": 1}
    listed = [dict(zip(keys, condition, strict=True)) | now for condition in conditions]
    patch = json.dumps({"status": {"conditions": listed, **status}})
    kube.run("patch", NAME, f"job-{job}", "--subresource=status", "--type=merge", "-p", patch)
