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
from tests.e2e.registry import Registry, reachable, secret
from tests.e2e.runs import a_run, allow_no_pods, status_of, wait_reason
from tests.e2e.sources import archive_dataset, class_folders

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

GPU = "nvidia.com/gpu"
WITHIN = 10.0  # seconds


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
    with gpus(kube, 1):  # the scheduler has the same words for one as for none: another run shows that there is one
        kube.apply(a_run("modest", gpus={"count": 1}))
        healed(kube, "modest")
        named(kube, "hungry", "InsufficientGPU", "needs 2 nvidia.com/gpu", "Insufficient nvidia.com/gpu")
    with gpus(kube, 2):
        healed(kube, "hungry")


def test_unknown_product(kube: Kube) -> None:
    with gpus(kube, 1, "NVIDIA-T4"):
        kube.apply(a_run("picky", gpus={"count": 1, "product": "NVIDIA-H100"}))
        named(kube, "picky", "InsufficientGPU", "NVIDIA-H100")
    with gpus(kube, 1, "NVIDIA-H100"):
        healed(kube, "picky")


@pytest.fixture
def registry(kube: Kube) -> Iterator[Registry]:
    """An image registry that the node reaches."""
    with reachable(kube) as found:
        yield found


def test_image_that_does_not_exist(kube: Kube, registry: Registry) -> None:
    image = f"{registry.place}/team/train:1"
    kube.apply(a_run("unpulled", image=image))
    named(kube, "unpulled", "ImagePullFailed", image, "check spec.image")
    registry.offered.add("team/train:1")
    healed(kube, "unpulled")


def test_pull_secret_that_does_not_exist(kube: Kube, registry: Registry) -> None:
    """The image is there: only who is asked for it has to be known."""
    registry.offered.add("team/private:1")
    registry.password = "only-the-secret-knows"
    image, missing = f"{registry.place}/team/private:1", "no-such-secret"
    kube.apply(a_run("secretless", image=image, imagePullSecrets=[{"name": missing}]))
    named(kube, "secretless", "ImagePullFailed", image, f"and the pull secrets {missing}")
    assert registry.refused, "it was not the secret that was missing"
    kube.apply(secret(registry, missing))
    healed(kube, "secretless")


@contextmanager
def storage_class(kube: Kube, name: str) -> Iterator[None]:
    """A class like the cluster's default."""
    key = "storageclass.kubernetes.io/is-default-class"
    classes = kube.list("storageclasses")
    (default,) = [one for one in classes if (one["metadata"].get("annotations") or {}).get(key) == "true"]
    fields = ("apiVersion", "kind", "provisioner", "parameters", "volumeBindingMode", "reclaimPolicy", "mountOptions")
    kube.apply({field: default[field] for field in fields if field in default} | {"metadata": {"name": name}})
    try:
        yield
    finally:
        kube.run("delete", "storageclass", name)


def test_claim_that_does_not_exist_and_claim_that_is_not_bound(kube: Kube) -> None:
    kube.apply(a_run("homeless", output={"existingClaim": "results"}))
    named(kube, "homeless", "VolumeUnbound", "results", "does not exist: create it")
    missing = f"class-{kube.namespace}"
    spec: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "results"}}
    kube.apply(claim | {"spec": spec | {"storageClassName": missing}})
    named(kube, "homeless", "VolumeUnbound", "unbound immediate PersistentVolumeClaims")  # the scheduler's words
    with storage_class(kube, missing):
        healed(kube, "homeless")


def test_data_set_that_is_not_ready_and_version_that_is_unknown(kube: Kube, mirror: Mirror) -> None:
    first, second = class_folders(count=10), class_folders(count=12)
    kube.apply(archive_dataset("twin", mirror.put("second.tar", second), second))  # same samples, same version
    version = str(kube.wait_ready("twin")["status"]["version"]["digest"])
    kube.apply(a_run("early", datasets=[{"name": "pictures"}]))
    named(kube, "early", "DatasetNotReady", "pictures", "does not exist")
    kube.apply(a_run("ahead", datasets=[{"name": "pictures", "version": version}]))
    kube.apply(archive_dataset("pictures", mirror.put("first.tar", first), first))
    healed(kube, "early")
    named(kube, "ahead", "DatasetVersionNotFound", "pictures", version[:16])
    kube.apply(archive_dataset("pictures", mirror.put("second.tar", second), second))
    healed(kube, "ahead")


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
