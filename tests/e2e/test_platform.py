"""The platform's side: rights, pod security, an API server that is away, metrics, conflicts with others' objects."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.request
from pathlib import Path

import pytest

from blueno import names
from tests.e2e.kube import Kube
from tests.e2e.mirror import Mirror
from tests.e2e.runs import a_run, pods_of, status_of, wait_reason
from tests.e2e.sources import archive_dataset, class_folders
from tests.e2e.test_faults import running_pod
from tests.e2e.test_path import claim, digest_of

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.timeout(1200)]

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "rbac.txt"
OPERATOR = "system:serviceaccount:blueno-system:blueno-operator"
WEB = "system:serviceaccount:blueno-system:blueno-web"
RECORDER = "system:serviceaccount:blueno-system:blueno-recorder"
RECOVERED = 30.0  # seconds after an outage within which what ended meanwhile is told


def rights(cluster: Kube, namespace: str, account: str) -> list[str]:
    """`kubectl auth can-i --list` of an account, without what everybody may do."""
    listed = cluster.inside(namespace).run("auth", "can-i", "--list", f"--as={account}")
    lines = [re.sub(r"\s+", " ", line).strip() for line in listed.splitlines()[1:]]
    return sorted(line for line in lines if not line.startswith(("[", "selfsubject")))


def test_our_processes_have_exactly_these_rights(cluster: Kube, request: pytest.FixtureRequest) -> None:
    text = ""
    for account, title in ((OPERATOR, "# in"), (WEB, "# the web process in"), (RECORDER, "# recorder in")):
        for namespace in ("default", "blueno-system", names.STORAGE_NAMESPACE):
            text += f"{title} {namespace}\n" + "\n".join(rights(cluster, namespace, account)) + "\n"
    if os.environ.get("UPDATE_GOLDEN") or request.config.getoption("--update-golden", default=False):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()
    assert "*" not in text, "no wildcard"


def test_our_pods_pass_pod_security_restricted(kube: Kube, mirror: Mirror) -> None:
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", class_folders())))
    kube.wait_ready("pictures")  # the namespace enforces `restricted`: an unfit pod would never have been made
    namespaces = json.loads(kube.run("get", "namespace", "blueno-system", "-o", "json"))
    assert namespaces["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pod = kube.list("pods", "blueno.dev/role=prepare")[0]["spec"]
    assert pod["automountServiceAccountToken"] is False
    audiences = [
        source["serviceAccountToken"]["audience"]
        for volume in pod["volumes"]
        for source in (volume.get("projected") or {}).get("sources", ())
        if "serviceAccountToken" in source
    ]
    assert audiences == ["blueno-report"]


def back(kube: Kube) -> None:
    """Until the API server answers again."""
    kube.wait("the API server back", lambda: kube.run("get", "--raw", "/readyz", check=False) == "ok")


@pytest.mark.parametrize("seconds", [60, pytest.param(600, marks=pytest.mark.soak)])
def test_api_server_away(kube: Kube, mirror: Mirror, seconds: int) -> None:
    content = class_folders(200)
    kube.apply(archive_dataset("reference", mirror.put("r.tar", content), content))
    expected = digest_of(kube.wait_ready("reference"))
    mirror.delay = 1.0
    kube.apply(a_run("ends-meanwhile", "import time; time.sleep(15)"))
    wait_reason(kube, "ends-meanwhile", "Running")
    kube.apply(archive_dataset("victim", mirror.put("v.tar", content), content))
    kube.wait("a running pod", lambda: running_pod(kube), every=0.1)
    with kube.stopped("apiserver"):
        time.sleep(seconds)
    healed = time.monotonic()
    back(kube)
    ready = kube.wait_ready("victim")
    took = [time.monotonic() - healed]
    assert digest_of(ready) == expected
    wait_reason(kube, "ends-meanwhile", "Completed")
    took.append(time.monotonic() - healed)
    print("Ready {:.1f} s, Completed at most {:.1f} s after the API server went on".format(*took))
    assert max(took) <= RECOVERED, "longer than docs/reliability.md promises"
    assert (status_of(kube, "ends-meanwhile")["attempt"], len(pods_of(kube, "ends-meanwhile"))) == (1, 1)
    assert ready["status"]["work"]["attempt"] == 1


def test_api_server_and_etcd_killed(kube: Kube, mirror: Mirror) -> None:
    mirror.delay = 1.0
    content = class_folders(400)
    kube.apply(archive_dataset("victim", mirror.put("v.tar", content), content))
    kube.wait("a running pod", lambda: running_pod(kube), every=0.1)
    for component in ("apiserver", "etcd", "kubelet"):
        kube.hack("kill", component)
        time.sleep(2)
    back(kube)
    assert kube.wait_ready("victim")["status"]["work"]["attempt"] == 1


def test_a_foreign_claim_of_our_name_is_not_taken(kube: Kube, mirror: Mirror) -> None:
    url = mirror.put("p.tar", class_folders())
    dataset = archive_dataset("pictures", url, suspend=True)
    system = kube.inside("blueno-system")
    system.run("scale", "deployment/blueno-operator", "--replicas=0")
    try:
        kube.wait("the operator gone", lambda: not system.list("pods", "app.kubernetes.io/component=operator"))
        kube.apply(dataset)
        uid = kube.dataset("pictures")["metadata"]["uid"]
        spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
        meta = {"name": f"pictures-{uid[:8]}"}
        kube.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec})
    finally:
        system.run("scale", "deployment/blueno-operator", "--replicas=1")
    said = kube.wait_reason("pictures", "NameConflict")
    assert f"pictures-{uid[:8]}" in said["message"]
    kube.run("delete", "pvc", f"pictures-{uid[:8]}", "--wait=false")
    kube.run("patch", "dataset", "pictures", "--type=merge", "-p", '{"spec":{"suspend":false}}')
    kube.wait_ready("pictures")


def test_metrics_and_liveness(cluster: Kube) -> None:
    address = cluster.wait("the operator's pod", cluster.operator_pod)["status"]["podIP"]
    with urllib.request.urlopen(f"http://{address}:8080/livez", timeout=30) as answer:
        assert answer.read() == b"ok"
    with urllib.request.urlopen(f"http://{address}:8080/metrics", timeout=30) as answer:
        text = answer.read().decode()
    for name in (
        "blueno_dataset_ready",
        "blueno_reconcile_duration_seconds",
        "blueno_reconcile_errors_total",
        "blueno_queue_depth",
        "blueno_api_writes_total",
        "blueno_prep_duration_seconds",
    ):
        assert f"# TYPE {name}" in text or f"# TYPE {name.removesuffix('_total')}" in text, name


def test_an_idle_operator_writes_nothing(kube: Kube, mirror: Mirror) -> None:
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", class_folders())))
    kube.wait_ready("pictures")
    kube.wait_reason("pictures", "Indexed", kind="Indexed")  # the recorder's word is the last that is news
    before = kube.dataset("pictures")["metadata"]["resourceVersion"]
    system = kube.inside("blueno-system")
    system.run("rollout", "restart", "deployment/blueno-operator")
    system.run("rollout", "status", "deployment/blueno-operator", "--timeout=180s")
    kube.wait_at_work()
    time.sleep(15)  # one sweep and more
    assert kube.dataset("pictures")["metadata"]["resourceVersion"] == before


def quota(**hard: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "tight"}, "spec": {"hard": hard}}


@pytest.mark.parametrize("what", ["persistentvolumeclaims", "pods"])
def test_a_quota_is_said_and_heals(kube: Kube, mirror: Mirror, what: str) -> None:
    kube.apply(quota(**{what: "0"}))
    kube.wait("the quota in force", lambda: kube.get("resourcequota", "tight").get("status", {}).get("hard"))
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", class_folders())))
    kube.wait("the quota's words", lambda: "exceeded quota" in kube.condition("pictures", "Ready").get("message", ""))
    assert kube.condition("pictures", "Stalled")["status"] == "False"
    kube.run("delete", "resourcequota", "tight")
    kube.wait_ready("pictures", 400)


def test_a_replaced_claim_is_looked_at_anew(kube: Kube, mirror: Mirror) -> None:
    content = class_folders()
    dataset = archive_dataset("pictures", mirror.put("p.tar", content), content)
    dataset["spec"]["storage"] = {"existingClaim": {"name": "mine"}}
    kube.apply(claim("mine"), dataset)
    before = kube.wait_ready("pictures")
    kube.run("delete", "jobs", "--all", "--cascade=foreground")  # their pods hold the claim
    kube.run("delete", "pvc", "mine")
    kube.wait_reason("pictures", "WaitingForVolume")
    assert kube.condition("pictures", "Ready")["status"] == "False"
    kube.apply(claim("mine"))
    after = kube.wait_ready("pictures")
    assert digest_of(after) == digest_of(before)
    assert after["status"]["work"]["attempt"] == 2


def test_gpus_are_asked_for_and_waited_for(kube: Kube, mirror: Mirror) -> None:
    """The scheduling is real, the device is not: the node only claims to have one."""
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", class_folders()), prepare={"gpus": {"count": 1}}))
    assert "nvidia.com/gpu" in kube.wait_reason("pictures", "Unschedulable")["message"]
    kube.hack("gpus", "1")
    try:
        kube.wait_ready("pictures")
    finally:
        kube.hack("gpus", "0")
