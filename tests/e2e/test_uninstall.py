"""What is removed in the wrong order: the custom resources under a running operator, the operator before its data sets.

All data sets of the cluster go with their CustomResourceDefinition, so this runs where only tests have any.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.kube import Kube, container, install
from tests.e2e.mirror import Mirror
from tests.e2e.sources import archive_dataset, class_folders
from tests.e2e.test_faults import running_pod
from tests.e2e.test_path import digest_of
from tests.e2e.web import SYSTEM

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

KINDS = ("datasets.blueno.dev", "samples.blueno.dev", "trainingruns.blueno.dev")
CONTENT = class_folders()


@pytest.fixture
def alone(kube: Kube) -> Iterator[Kube]:
    """A cluster that keeps nothing but tests' own; Blueno is whole again afterwards."""
    listed = json.loads(kube.run("get", ",".join(KINDS), "--all-namespaces", "-o", "json"))["items"]
    theirs = [f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in listed]
    theirs = [name for name in theirs if not name.startswith("e2e-")]
    assert not theirs, f"would be deleted with the CustomResourceDefinitions: {theirs}"
    try:
        yield kube
    finally:
        install.blueno()


def two_ready(kube: Kube, url: str) -> dict[str, Any]:
    """The Dataset whose data are kept, Ready beside one whose data are to be erased."""
    for name, policy in (("kept", "Retain"), ("erased", "Delete")):
        kube.apply(archive_dataset(name, url, CONTENT, reclaimPolicy=policy))
    kube.wait_ready("erased")
    return kube.wait_ready("kept")


def claims(kube: Kube) -> list[str]:
    return sorted(each["metadata"]["name"].rpartition("-")[0] for each in kube.list("pvc"))


def definitions(kube: Kube) -> set[str]:
    """Which of our CustomResourceDefinitions there are."""
    listed = kube.run("get", "crd", "-o", "name").split()
    return {name.partition("/")[2] for name in listed} & set(KINDS)


def define(kube: Kube) -> None:
    """As the runbook says."""
    kube.run("apply", "--server-side", "-f", "crds/")
    kube.run("wait", "--for=condition=Established", "--timeout=140s", "-f", "crds/")


def adopted(kube: Kube, kept: dict[str, Any], url: str) -> None:
    """The kept data become a Dataset again, without being prepared again."""
    volume = kept["status"]["volume"]
    storage = {"existingClaim": {"name": volume["claimName"]}, "subPath": volume["path"]}
    kube.apply(archive_dataset("kept", url, CONTENT, storage=storage))
    assert digest_of(kube.wait_ready("kept", 90)) == digest_of(kept)


def test_definitions_are_deleted_under_a_running_operator(alone: Kube, mirror: Mirror) -> None:
    kube, url = alone, mirror.put("p.tar", CONTENT)
    kept = two_ready(kube, url)
    mirror.delay = 5.0
    kube.apply(archive_dataset("busy", mirror.put("b.tar", class_folders(400))))
    kube.wait("a running pod", lambda: running_pod(kube), every=0.1)
    before = container(kube.operator_pod())
    kube.run("delete", "-f", "crds/", "--timeout=60s")  # waits for what is to be erased
    kube.wait("nothing at work", lambda: not kube.list("jobs") and not kube.list("pods"), 60)
    assert claims(kube) == ["busy", "kept"]
    operator = kube.inside(SYSTEM)
    words = "datasets: the API server does not know it: is its CustomResourceDefinition"
    kube.wait("its words", lambda: words in operator.run("logs", "deployment/blueno-operator", "--since=60s"), 60)
    define(kube)
    mirror.delay = 0.0
    adopted(kube, kept, url)
    assert container(kube.operator_pod())["containerID"] == before["containerID"], "nobody had to restart it"


def test_the_operator_is_removed_before_its_data_sets(alone: Kube, mirror: Mirror) -> None:
    kube, url = alone, mirror.put("p.tar", CONTENT)
    kept = two_ready(kube, url)
    kube.run("delete", "namespace", SYSTEM, "--timeout=120s")
    kube.run("delete", "datasets", "--all", "--wait=false")
    kube.run("delete", "-f", "crds/", "--wait=false")
    kube.wait("what has no finalizer is gone", lambda: not kube.dataset("kept"))
    assert kube.dataset("erased")["metadata"]["finalizers"] == ["blueno.dev/erase"]
    assert claims(kube) == ["erased", "kept"]
    install.blueno()  # while the definition still goes
    kube.wait("erased and gone", lambda: "datasets.blueno.dev" not in definitions(kube), 90)
    assert claims(kube) == ["kept"]
    define(kube)
    adopted(kube, kept, url)
