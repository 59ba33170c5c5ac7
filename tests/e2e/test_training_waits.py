"""Why a TrainingRun waits: each fault made for real, named within ten seconds, and gone when it is healed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.kube import Kube
from tests.e2e.mirror import Mirror
from tests.e2e.runs import a_run, allow_no_pods, condition, status_of, wait_reason
from tests.e2e.sources import archive_dataset, class_folders

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

GPU = "nvidia.com/gpu"
WITHIN = 15.0  # seconds: ten, and what the cluster itself takes under load


def named(kube: Kube, name: str, reason: str, *words: str) -> None:
    """The run says so in these words, in `pending` too, and is not Stalled. The reason may have been there before."""
    began = time.monotonic()

    def said() -> dict[str, Any]:
        status = status_of(kube, name)
        found = {one["type"]: one for one in status.get("conditions") or ()}
        succeeded = found.get("Succeeded", {})
        says = succeeded.get("reason") == reason and all(word in succeeded["message"] for word in words)
        return status | {"by_type": found} if says else {}

    status = kube.wait(f"{name}: {reason} with {words}", said, WITHIN)
    print(f"{name}: {reason} after {time.monotonic() - began:.1f} s")
    assert status["pending"]["reason"] == reason
    assert status["pending"]["since"]
    assert status["by_type"]["Stalled"]["status"] == "False"


def healed(kube: Kube, name: str) -> None:
    """It completes by itself."""
    wait_reason(kube, name, "Completed", 240)
    assert "pending" not in status_of(kube, name)


@contextmanager
def gpus(kube: Kube, count: int, product: str = "") -> Iterator[None]:
    """The node claims to have GPUs. Scheduling is real; the devices are not."""
    node = kube.list("nodes")[0]["metadata"]["name"]
    put = {"status": {"capacity": {GPU: str(count)}, "allocatable": {GPU: str(count)}}}
    take = {"status": {"capacity": {GPU: None}, "allocatable": {GPU: None}}}
    kube.run("patch", "node", node, "--subresource=status", "--type=merge", "-p", json.dumps(put))
    if product:
        kube.run("label", "node", node, f"nvidia.com/gpu.product={product}", "--overwrite")
    try:
        yield
    finally:
        kube.run("label", "node", node, "nvidia.com/gpu.product-")
        kube.run("patch", "node", node, "--subresource=status", "--type=merge", "-p", json.dumps(take))


def test_no_gpu_then_too_few_then_enough(kube: Kube) -> None:
    kube.apply(a_run("hungry", gpus={"count": 2}))
    named(kube, "hungry", "InsufficientGPU", "needs 2 nvidia.com/gpu", "Insufficient nvidia.com/gpu")
    with gpus(kube, 1):
        time.sleep(2)
        named(kube, "hungry", "InsufficientGPU", "needs 2")
    with gpus(kube, 2):
        healed(kube, "hungry")


def test_unknown_product(kube: Kube) -> None:
    with gpus(kube, 1, "NVIDIA-T4"):
        kube.apply(a_run("picky", gpus={"count": 1, "product": "NVIDIA-H100"}))
        named(kube, "picky", "InsufficientGPU", "NVIDIA-H100")
    with gpus(kube, 1, "NVIDIA-H100"):
        healed(kube, "picky")


def test_image_that_does_not_exist(kube: Kube) -> None:
    kube.apply(a_run("unpulled", image="127.0.0.1:9/team/train:1"))
    named(kube, "unpulled", "ImagePullFailed", "127.0.0.1:9/team/train:1", "check spec.image")


def test_pull_secret_that_does_not_exist(kube: Kube) -> None:
    secret = [{"name": "no-such-secret"}]
    kube.apply(a_run("secretless", image="127.0.0.1:9/team/private:1", imagePullSecrets=secret))
    named(kube, "secretless", "ImagePullFailed", "private:1", "no-such-secret")


def test_claim_that_does_not_exist_and_claim_that_is_not_bound(kube: Kube) -> None:
    kube.apply(a_run("homeless", output={"existingClaim": "results"}))
    named(kube, "homeless", "VolumeUnbound", "results")
    spec: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "results"}}
    kube.apply(claim | {"spec": spec | {"storageClassName": "no-such-class"}})
    named(kube, "homeless", "VolumeUnbound")
    assert "claim" in condition(kube, "homeless")["message"]


def test_data_set_that_is_not_ready_and_version_that_is_unknown(kube: Kube, mirror: Mirror) -> None:
    kube.apply(a_run("early", datasets=[{"name": "pictures"}]))
    named(kube, "early", "DatasetNotReady", "pictures", "does not exist")
    kube.apply(a_run("past", datasets=[{"name": "pictures", "version": "ee" * 8}]))
    content = class_folders(count=10)
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", content), content))
    healed(kube, "early")
    named(kube, "past", "DatasetVersionNotFound", "pictures", "ee" * 8)


def test_quota_that_is_used_up(kube: Kube) -> None:
    allow_no_pods(kube, "none-left")
    kube.apply(a_run("poor"))
    named(kube, "poor", "WaitingForQuota", "none-left")
    kube.run("delete", "quota", "none-left")
    healed(kube, "poor")


def test_cordoned_node(kube: Kube) -> None:
    node = kube.list("nodes")[0]["metadata"]["name"]
    kube.run("cordon", node)
    try:
        kube.apply(a_run("locked-out"))
        named(kube, "locked-out", "Unschedulable", "unschedulable")
    finally:
        kube.run("uncordon", node)
    healed(kube, "locked-out")


def test_job_that_somebody_else_holds(kube: Kube) -> None:
    """As Kueue does; its webhook is not here, so the test holds the Job itself."""
    allow_no_pods(kube, "closed")  # so that none comes first
    kube.apply(a_run("queued", queueName="team"))
    job = kube.wait("a Job", lambda: kube.list("jobs"))[0]
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team"
    kube.run("patch", "job", job["metadata"]["name"], "--type=merge", "-p", '{"spec":{"suspend":true}}')
    kube.run("delete", "quota", "closed")
    named(kube, "queued", "Queued", "Kueue", "team")
    kube.run("patch", "job", job["metadata"]["name"], "--type=merge", "-p", '{"spec":{"suspend":false}}')
    healed(kube, "queued")
