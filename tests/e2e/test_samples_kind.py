"""Samples on a real cluster: one, a manifest, thousands; what is deleted, and with whose rights Secrets are used."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml

from controllers.sample.observe import NEAR
from tests.e2e.audited import audit_log, writes_of_the_operator
from tests.e2e.kube import Kube
from tests.e2e.mirror import Mirror
from tests.e2e.sources import png

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

SAMPLES = "samples.blueno.dev"
FIELDS = {"apiVersion": "blueno.dev/v1alpha1", "kind": "Sample"}


def upload_dataset(name: str = "scans") -> dict[str, Any]:
    """A Dataset that begins empty."""
    spec = {"source": {"upload": {}}, "storage": {"claimTemplate": {"size": "1Gi"}}}
    return {"apiVersion": "blueno.dev/v1alpha1", "kind": "Dataset", "metadata": {"name": name}, "spec": spec}


def a_sample(name: str, **spec: Any) -> dict[str, Any]:
    return {**FIELDS, "metadata": {"name": name}, "spec": {"datasetRef": {"name": "scans"}, **spec}}


def condition(kube: Kube, name: str, kind: str = "Ready") -> dict[str, Any]:
    status = kube.get(SAMPLES, name).get("status") or {}
    return next((c for c in status.get("conditions") or () if c["type"] == kind), {})


def reasons(kube: Kube) -> dict[str, int]:
    """Reason → how many Samples say so."""
    found: dict[str, int] = {}
    text = kube.run(
        "get", SAMPLES, "-o", 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].reason} {end}'
    )
    for reason in text.split():
        found[reason] = found.get(reason, 0) + 1
    return found


def sealed(kube: Kube) -> int:
    """Samples in the current version."""
    return int((kube.dataset("scans")["status"].get("version") or {}).get("samples", 0))


@pytest.fixture
def scans(kube: Kube) -> Kube:
    """A namespace with an empty Dataset that accepts samples."""
    kube.apply(upload_dataset())
    kube.run("wait", "--for=condition=Ready", "dataset/scans", "--timeout=300s")
    return kube


def test_one_sample_from_apply_to_the_next_version_and_away(scans: Kube, mirror: Mirror) -> None:
    body = a_sample("one", uri=mirror.put("one.png", png(1)), label={"digit": 7}, split="train")
    scans.apply(body)
    scans.run("wait", "--for=condition=Ready", "sample/one", "--timeout=300s")
    line = scans.run("get", "samples", "one", "--no-headers").split()
    assert line[:5] == ["one", "True", "Available", "scans", "1"]
    found = scans.get(SAMPLES, "one")
    fields = {f"{m['manager']}/{m.get('subresource', '')}" for m in found["metadata"]["managedFields"]}
    assert {f for f in fields if f.startswith("blueno")} == {"blueno-operator/", "blueno-operator/status"}
    assert found["metadata"]["ownerReferences"][0]["name"] == "scans"
    scans.no_difference("-", stdin=yaml.safe_dump(body))
    selected = scans.run("get", SAMPLES, "--field-selector", "spec.datasetRef.name=scans", "-o", "name")
    assert selected.split() == ["sample.blueno.dev/one"]
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    scans.run("annotate", "dataset", "scans", f"blueno.dev/requested-at={stamp}")
    scans.wait("a version with one sample", lambda: sealed(scans) == 1)
    scans.run("delete", "sample", "one", "--timeout=300s")
    assert sealed(scans) == 1  # a version never changes


def test_a_manifest_in_a_config_map_counts_what_it_rejects(scans: Kube, mirror: Mirror) -> None:
    rows = [f"{mirror.put(f'{n}.png', png(n))},{n % 3}" for n in range(60)]
    rows[5] = "http://169.254.169.254/latest/meta-data,1"
    data = {"new.csv": "uri,label\n" + "\n".join(rows) + "\n"}
    scans.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "lists"}, "data": data})
    scans.apply(a_sample("many", manifest={"configMapRef": {"name": "lists", "key": "new.csv"}}))
    scans.run("wait", "--for=condition=Ready", "sample/many", "--timeout=300s")
    status = scans.get(SAMPLES, "many")["status"]
    assert (status["samples"], status["rejected"]["count"]) == (59, 1)
    assert status["rejected"]["first"][0]["code"] == "SourceNotAllowed"
    assert condition(scans, "many")["reason"] == "PartlyAvailable"


def test_deleted_while_the_operator_is_away(scans: Kube, mirror: Mirror) -> None:
    for name in ("stays", "goes"):
        scans.apply(a_sample(name, uri=mirror.put(f"{name}.png", png(len(name)))))
        scans.run("wait", "--for=condition=Ready", f"sample/{name}", "--timeout=300s")
    system = scans.inside("blueno-system")
    system.run("scale", "deployment/blueno-operator", "--replicas=0")
    try:
        scans.wait("no operator", lambda: not system.list("pods", "app.kubernetes.io/component=operator"))
        scans.run("delete", "sample", "goes", "--wait=false")
        assert scans.get(SAMPLES, "goes")["metadata"]["finalizers"]
    finally:
        system.run("scale", "deployment/blueno-operator", "--replicas=1")
    scans.wait("it is gone", lambda: not scans.get(SAMPLES, "goes"), 180)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    scans.run("annotate", "dataset", "scans", f"blueno.dev/requested-at={stamp}")
    scans.wait("a version of what stays", lambda: sealed(scans) == 1)


@pytest.mark.timeout(2400)  # kubectl sends 50 requests a second: 200 s to make 10,000, 200 s to delete them
@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.soak)])
def test_thousands_in_one_go(scans: Kube, mirror: Mirror, count: int) -> None:
    urls = [mirror.put(f"{n}.png", png(n)) for n in range(100)]
    items = [a_sample(f"s{n:05}", uri=urls[n % 100], label=n) for n in range(count)]
    node = scans.list("nodes")[0]["metadata"]["name"]
    scans.run("cordon", node)  # until all are there: a pod that has waited for more for three seconds ends
    try:
        scans.run("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    finally:
        scans.run("uncordon", node)
    scans.wait("all are Available", lambda: reasons(scans).get("Available") == count, 900, every=5)
    jobs = [job for job in scans.list("jobs") if job["metadata"]["labels"].get("blueno.dev/role") == "ingest"]
    assert len(jobs) == 1
    if log := audit_log():
        written = writes_of_the_operator(log, scans.namespace)
        # The first in line say besides what keeps all waiting: that the Job waits for its pod, that no node takes the
        # pod, that it has not started.
        assert written["patch samples"] == count, written
        assert count <= written["patch samples/status"] <= count + 3 * NEAR, written
    scans.run("delete", SAMPLES, "--all", "--wait=false")
    scans.wait("all are gone", lambda: not scans.run("get", SAMPLES, "-o", "name").split(), 900, every=5)
    scans.run("delete", "dataset", "scans", "--timeout=300s")


def test_with_their_dataset_they_go(scans: Kube, mirror: Mirror) -> None:
    for number in range(20):
        scans.apply(a_sample(f"s{number}", uri=mirror.put(f"{number}.png", png(number))))
    scans.wait("all are Available", lambda: reasons(scans).get("Available") == 20, 180)
    scans.run("delete", "dataset", "scans", "--timeout=300s")
    scans.wait("all are gone", lambda: not scans.run("get", SAMPLES, "-o", "name").split(), 120)


def test_a_secret_needs_the_right_to_read_it(scans: Kube) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "site"}, "stringData": {"token": "hush-hush"}}
    scans.apply(secret)
    scans.run("create", "rolebinding", "editors", "--clusterrole=blueno-editor", "--user=blueno:ada@example.org")
    body = yaml.safe_dump(a_sample("mine", uri="https://example.org/a.png", secretRef={"name": "site"}))

    def create() -> str:
        return scans.run("create", "-f", "-", "--as=blueno:ada@example.org", stdin=body, check=False)

    # The API server hears of a binding a moment after it was made.
    scans.wait("to be refused for the Secret's sake", lambda: "may not get Secret site" in create())
    scans.run("create", "role", "reads-site", "--verb=get", "--resource=secrets", "--resource-name=site")
    scans.run("create", "rolebinding", "reads-site", "--role=reads-site", "--user=blueno:ada@example.org")
    scans.wait("to be allowed", lambda: "created" in create())
    scans.wait("an answer", lambda: condition(scans, "mine").get("reason") not in (None, "Pending", "Ingesting"), 180)
    assert "hush-hush" not in json.dumps([scans.list(SAMPLES), scans.list("jobs"), scans.list("pods")])


def test_only_ingest_pods_may_mount_a_secret(scans: Kube) -> None:
    """With the operator's own rights: the admission policy of deploy/base/operator-pods.yaml."""
    uid = scans.dataset("scans")["metadata"]["uid"]
    owner = {"apiVersion": "blueno.dev/v1alpha1", "kind": "Dataset", "name": "scans", "uid": uid, "controller": True}

    def job(role: str, command: list[str]) -> str:
        context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        pod = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "a", "image": "a", "command": command, "securityContext": context}],
            "volumes": [{"name": "s", "secret": {"secretName": "site"}}],
        }
        labels = {"blueno.dev/managed": "true", "blueno.dev/role": role}
        meta = {"name": f"try-{role}", "labels": labels, "ownerReferences": [owner]}
        body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": {"spec": pod}}}
        operator = "--as=system:serviceaccount:blueno-system:blueno-operator"
        return scans.run("create", "--dry-run=server", operator, "-f", "-", stdin=yaml.safe_dump(body), check=False)

    ingest = ["python", "-m", "blueno.ingest"]
    assert "created" in job("ingest", ingest)
    assert "mount claims, ConfigMaps" in job("prepare", ingest)
    assert "mount claims, ConfigMaps" in job("ingest", ["sh", "-c", "cat /s/*"])
