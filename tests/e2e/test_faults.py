"""What a preparation has to survive: kills at any moment, deletions by others, re-creation, going away in order."""

from __future__ import annotations

import random
import time

import pytest

from tests.e2e.kube import Kube, kill_containers
from tests.e2e.mirror import Mirror
from tests.e2e.sources import archive_dataset, class_folders
from tests.e2e.test_path import claim, digest_of, volume_path

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.timeout(1200)]

SEED = random.SystemRandom().randrange(10**6)
KILLS = 4  # more of them in test_soak.py, one after every call in tests/loop


def works(kube: Kube) -> set[str]:
    """The (work, attempt) of every preparation Job in the namespace."""
    labels = [job["metadata"]["labels"] for job in kube.list("jobs", "blueno.dev/role=prepare")]
    return {f"{marks['blueno.dev/work']}/{marks['blueno.dev/attempt']}" for marks in labels}


def running_pod(kube: Kube) -> dict | None:
    """The preparation pod whose container runs."""
    for pod in kube.list("pods", "blueno.dev/role=prepare"):
        states = [c.get("state") or {} for c in pod["status"].get("containerStatuses") or ()]
        if any("running" in state for state in states) and not pod["metadata"].get("deletionTimestamp"):
            return pod
    return None


def reference_digest(kube: Kube, mirror: Mirror, content: bytes) -> str:
    """The digest the same samples get without any fault."""
    kube.apply(archive_dataset("reference", mirror.put("reference.tar", content), content))
    return digest_of(kube.wait_ready("reference"))


def test_operator_killed_at_random_moments(kube: Kube, mirror: Mirror) -> None:
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    content = class_folders(400)
    expected = reference_digest(kube, mirror, content)
    mirror.delay = 0.05
    for number in range(KILLS):
        name = f"victim-{number}"
        kube.apply(archive_dataset(name, mirror.put("v.tar", content), content))
        time.sleep(dice.uniform(0, 2.5))
        kube.wait_operator(kube.kill_operator())
    for number in range(KILLS):
        ready = kube.wait_ready(f"victim-{number}", seconds=400)
        assert digest_of(ready) == expected
        assert ready["status"]["work"]["attempt"] == 1, "no second Job for the same work"
    assert len(kube.list("jobs", "blueno.dev/role=prepare")) == KILLS + 1


def test_pod_killed_while_it_packs(kube: Kube, mirror: Mirror) -> None:
    content = class_folders(6000, size=32)
    expected = reference_digest(kube, mirror, content)
    url = mirror.put("v.tar", content)
    dice = random.Random(SEED)
    # A fifth of a processor: two seconds of work become ten, so that the kill finds the pod at it.
    slow = {"resources": {"limits": {"cpu": "200m"}}}
    for name in ("victim-1", "victim-2", "victim-3", "victim-4"):
        kube.apply(archive_dataset(name, url, content, prepare=slow))
        pod = kube.wait("a running pod", lambda: running_pod(kube), every=0.05)
        time.sleep(dice.uniform(2, 6))
        kill_containers(pod)
        ready = kube.wait_ready(name)
        assert digest_of(ready) == expected
        assert ready["status"]["samples"] == 6000
        if len(kube.list("pods", f"blueno.dev/dataset={name}")) > 1:
            return
    pytest.fail("four times the pod was done before it was killed: the fault never fired")


def test_job_deleted_by_hand(kube: Kube, mirror: Mirror) -> None:
    content = class_folders(200)
    expected = reference_digest(kube, mirror, content)
    mirror.delay = 5.0
    kube.apply(archive_dataset("victim", mirror.put("v.tar", content), content))
    kube.wait("a running pod", lambda: running_pod(kube), every=0.1)
    job = next(j for j in kube.list("jobs") if j["metadata"]["name"].startswith("victim"))
    kube.run("delete", "job", job["metadata"]["name"])
    mirror.delay = 0.0
    ready = kube.wait_ready("victim")
    assert digest_of(ready) == expected
    assert ready["status"]["work"]["attempt"] == 2


def test_job_and_pods_gone_between_seal_and_report(kube: Kube, mirror: Mirror) -> None:
    content = class_folders(200)
    expected = reference_digest(kube, mirror, content)
    system = kube.inside("blueno-system")
    mirror.delay = 10.0  # until the operator is gone, however long that takes
    kube.apply(archive_dataset("victim", mirror.put("v.tar", content), content))
    kube.wait("a running pod", lambda: running_pod(kube), every=0.1)
    system.run("scale", "deployment/blueno-operator", "--replicas=0")
    kube.wait("the operator gone", lambda: not system.list("pods", "app.kubernetes.io/component=operator"))
    assert kube.condition("victim", "Ready")["status"] == "False"
    mirror.delay = 0.0
    job = next(j for j in kube.list("jobs") if j["metadata"]["name"].startswith("victim"))["metadata"]["name"]
    kube.run("wait", "--for=condition=Complete", f"job/{job}", "--timeout=180s")
    kube.run("delete", "job", job, "--cascade=foreground")
    kube.wait("its pods gone", lambda: not kube.list("pods", f"batch.kubernetes.io/job-name={job}"))
    asked = len(mirror.requests)
    system.run("scale", "deployment/blueno-operator", "--replicas=1")
    ready = kube.wait_ready("victim")
    assert digest_of(ready) == expected
    assert len(mirror.requests) == asked, "a sealed work is not downloaded again"


def test_deleted_during_preparation_and_recreated_at_once(kube: Kube, mirror: Mirror) -> None:
    content = class_folders(200)
    expected = reference_digest(kube, mirror, content)
    mirror.delay = 5.0
    dataset = archive_dataset("victim", mirror.put("v.tar", content), content, reclaimPolicy="Delete")
    kube.apply(dataset)
    kube.wait("a running pod", lambda: running_pod(kube), every=0.1)
    first = kube.dataset("victim")["metadata"]["uid"]
    kube.run("delete", "dataset", "victim", "--wait=false")
    kube.wait("the first one gone", lambda: kube.dataset("victim").get("metadata", {}).get("uid") != first)
    kube.apply(dataset)
    mirror.delay = 0.0
    ready = kube.wait_ready("victim")
    assert ready["metadata"]["uid"] != first
    assert digest_of(ready) == expected
    old = [c for c in kube.list("pvc") if c["metadata"]["labels"].get("blueno.dev/owner-uid") == first]
    assert old == [], "reclaimPolicy Delete leaves no claim"


def test_retained_deletion_during_preparation_leaves_nothing_running(kube: Kube, mirror: Mirror) -> None:
    mirror.delay = 5.0
    kube.apply(archive_dataset("victim", mirror.put("v.tar", class_folders(400))))
    kube.wait("a running pod", lambda: running_pod(kube), every=0.1)
    kube.run("delete", "dataset", "victim", "--timeout=180s")
    kube.wait("no Job and no pod left", lambda: not kube.list("jobs") and not kube.list("pods"))
    assert len(kube.list("pvc")) == 1


def test_retained_data_is_adopted_without_preparation(kube: Kube, mirror: Mirror) -> None:
    content = class_folders(80)
    url = mirror.put("p.tar", content)
    kube.apply(archive_dataset("pictures", url, content))
    before = kube.wait_ready("pictures")
    kube.run("delete", "dataset", "pictures", "--timeout=180s")
    volume = before["status"]["volume"]
    assert kube.get("pvc", volume["claimName"])["status"]["phase"] == "Bound"
    asked = len(mirror.requests)
    again = archive_dataset("pictures", url, content)
    again["spec"]["storage"] = {"existingClaim": {"name": volume["claimName"]}, "subPath": volume["path"]}
    kube.apply(again)
    after = kube.wait_ready("pictures")
    assert after["status"]["version"] == before["status"]["version"]
    assert len(mirror.requests) == asked


def test_delete_erases_the_directory_on_a_claim_of_the_users(kube: Kube, mirror: Mirror) -> None:
    kube.apply(claim("mine"))
    for name in ("stays", "goes"):
        dataset = archive_dataset(name, mirror.put(f"{name}.tar", class_folders()))
        dataset["spec"] |= {"storage": {"existingClaim": {"name": "mine"}, "subPath": f"sets/{name}"}}
        dataset["spec"]["reclaimPolicy"] = "Delete" if name == "goes" else "Retain"
        kube.apply(dataset)
    for name in ("stays", "goes"):
        kube.wait_ready(name)
    path = volume_path(kube, "mine")
    kube.run("delete", "dataset", "goes", "--timeout=180s")
    assert kube.hack("exec", "--", "ls", f"{path}/sets").split() == ["stays"]
    assert kube.get("pvc", "mine")["status"]["phase"] == "Bound"


def test_namespace_with_datasets_goes_away_within_a_minute(kube: Kube, mirror: Mirror) -> None:
    kube.apply(claim("mine"))
    kinds = {
        "kept": {},
        "erased": {"reclaimPolicy": "Delete"},
        "shared": {"reclaimPolicy": "Delete", "storage": {"existingClaim": {"name": "mine"}}},
    }
    for name, spec in kinds.items():
        kube.apply(archive_dataset(name, mirror.put("p.tar", class_folders()), **spec))
    for name in kinds:
        kube.wait_ready(name)
    mirror.delay = 1.0
    kube.apply(archive_dataset("busy", mirror.put("p.tar", class_folders(2000)), reclaimPolicy="Delete"))
    kube.wait("a running pod", lambda: running_pod(kube), every=0.1)
    kube.run("delete", "namespace", kube.namespace, "--timeout=60s")


def test_suspend_stops_and_resume_goes_on(kube: Kube, mirror: Mirror) -> None:
    mirror.delay = 5.0
    dataset = archive_dataset("paused", mirror.put("p.tar", class_folders(400)))
    kube.apply(dataset)
    kube.wait("a running pod", lambda: running_pod(kube), every=0.1)
    dataset["spec"]["suspend"] = True
    kube.apply(dataset)
    kube.wait_reason("paused", "Suspended")
    kube.wait("no pod", lambda: not running_pod(kube))
    mirror.delay = 0.0
    dataset["spec"]["suspend"] = False
    kube.apply(dataset)
    assert kube.wait_ready("paused")["status"]["work"]["attempt"] == 1


def test_changed_resources_replace_a_pod_that_fits_nowhere(kube: Kube, mirror: Mirror) -> None:
    prepare = {"resources": {"requests": {"cpu": "900"}}}
    dataset = archive_dataset("big", mirror.put("p.tar", class_folders()), prepare=prepare)
    kube.apply(dataset)
    assert "cpu" in kube.wait_reason("big", "Unschedulable")["message"].lower()
    dataset["spec"]["prepare"]["resources"]["requests"]["cpu"] = "100m"
    kube.apply(dataset)
    kube.wait_ready("big")


def test_host_path_data_set_comes_and_goes(kube: Kube, mirror: Mirror) -> None:
    path = f"/var/lib/blueno/volumes/hostpath-{kube.namespace}"
    kube.hack("exec", "--", "install", "-d", "-m", "1777", path)
    storage = {"hostPath": {"path": path}}
    for policy in ("Retain", "Delete"):
        name = f"on-node-{policy.lower()}"
        kube.apply(archive_dataset(name, mirror.put("p.tar", class_folders()), storage=storage, reclaimPolicy=policy))
        ready = kube.wait_ready(name)
        kube.run("delete", "dataset", name, "--timeout=180s")
        uid = ready["metadata"]["uid"]
        kube.wait("its volume gone", lambda: not kube.get("pv", f"blueno-{uid}"))  # noqa: B023
    kept = kube.hack("exec", "--", "ls", f"{path}/{kube.namespace}").split()
    assert len(kept) == 1 and kept[0].startswith("on-node-retain")
