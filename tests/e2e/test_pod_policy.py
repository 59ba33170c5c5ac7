"""What the operator's account may make of pods, asked of the real API server: what it makes today, and nothing bolder.

The policy is deploy/base/operator-pods.yaml (of NFS servers: test_server_policy.py); nothing is made, the API server is
only asked (dry run).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.kube import Kube
from tests.e2e.test_platform import OPERATOR

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
Change = Callable[[dict[str, Any]], Any]


def golden(name: str) -> list[dict[str, Any]]:
    """Jobs and Deployments of a golden file, for the namespace that is asked about."""
    found = yaml.safe_load((GOLDEN / f"{name}.yaml").read_text())
    manifests = [each for each in (found if isinstance(found, list) else [found]) if each["kind"] != "Service"]
    for manifest in manifests:
        del manifest["metadata"]["namespace"]
    return manifests


def pod(**fields: Any) -> Change:
    """Fields of the pod's spec."""
    return lambda job: job["spec"]["template"]["spec"].update(fields)


def security(**fields: Any) -> Change:
    """Fields of its container's security context."""
    return lambda job: job["spec"]["template"]["spec"]["containers"][0]["securityContext"].update(fields)


def identity(**fields: Any) -> Change:
    """Fields of the pod's security context."""
    return lambda job: job["spec"]["template"]["spec"]["securityContext"].update(fields)


def volume(**source: Any) -> Change:
    """One more volume."""
    return lambda job: job["spec"]["template"]["spec"]["volumes"].append({"name": "more", **source})


def container(**fields: Any) -> Change:
    """Fields of its container."""
    return lambda job: job["spec"]["template"]["spec"]["containers"][0].update(fields)


def env(**source: Any) -> Change:
    """One more variable of its container."""
    more = {"name": "MORE", **source}
    return lambda job: job["spec"]["template"]["spec"]["containers"][0].setdefault("env", []).append(more)


def token(audience: str | None) -> Change:
    asked = {"path": "token"} | ({"audience": audience} if audience else {})
    return volume(projected={"sources": [{"serviceAccountToken": asked}]})


def of_pod(kind: str) -> Change:
    """Somebody else's object as the owner."""
    return lambda job: job["metadata"]["ownerReferences"][0].update(apiVersion="v1", kind=kind)


def unmarked(job: dict[str, Any]) -> None:
    """A Job without labels gets those of its pods."""
    job["metadata"].pop("labels")
    job["spec"]["template"]["metadata"].pop("labels")


def init_container(job: dict[str, Any]) -> None:
    """A second container with what the first may not have either."""
    bold = {"name": "init", "image": "i", "securityContext": {"privileged": True}}
    job["spec"]["template"]["spec"]["initContainers"] = [bold]


SECRET_KEY = {"secretKeyRef": {"name": "theirs", "key": "password"}}


def told_in_init_container(job: dict[str, Any]) -> None:
    """A second container, harmless but for what it is told."""
    spec = job["spec"]["template"]["spec"]
    spec["initContainers"] = [
        {**spec["containers"][0], "name": "init", "env": [{"name": "MORE", "valueFrom": SECRET_KEY}]}
    ]


DENIED: dict[str, tuple[Change, str]] = {
    "the node's network": (pod(hostNetwork=True), "share nothing"),
    "the node's processes": (pod(hostPID=True), "share nothing"),
    "the node's memory": (pod(hostIPC=True), "share nothing"),
    "a port of the node": (container(ports=[{"containerPort": 80, "hostPort": 80}]), "share nothing"),
    "a directory of the node": (volume(hostPath={"path": "/"}), "mount claims"),
    "a Secret": (volume(secret={"secretName": "theirs"}), "mount claims"),
    "a Secret by another name": (volume(projected={"sources": [{"secret": {"name": "theirs"}}]}), "mount claims"),
    "a Secret's key in its environment": (env(valueFrom=SECRET_KEY), "in their environment"),
    "a Secret as its environment": (container(envFrom=[{"secretRef": {"name": "theirs"}}]), "in their environment"),
    "a Secret in an init container's environment": (told_in_init_container, "in their environment"),
    "a token for the API server": (token(None), "mount claims"),
    "a token for somebody else": (token("vault"), "mount claims"),
    "an NFS export past its volume": (volume(nfs={"server": "s", "path": "/"}), "mount claims"),
    "a driver's own volume": (volume(csi={"driver": "secrets.csi.example.org"}), "mount claims"),
    "privileged": (security(privileged=True, allowPrivilegeEscalation=True), "no privileges"),
    "escalation": (security(allowPrivilegeEscalation=True), "no privileges"),
    "a capability": (security(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}), "no privileges"),
    "all capabilities": (security(capabilities={}), "no privileges"),
    "no bounds at all": (
        lambda job: job["spec"]["template"]["spec"]["containers"][0].pop("securityContext"),
        "no privileges",
    ),
    "root, by its container": (security(runAsUser=0), "no privileges"),
    "root, allowed again": (security(runAsNonRoot=False), "no privileges"),
    "no seccomp, by its container": (security(seccompProfile={"type": "Unconfined"}), "no privileges"),
    "a bold init container": (init_container, "no privileges"),
    "root": (identity(runAsUser=0), "nobody special"),
    "perhaps root": (identity(runAsNonRoot=False), "nobody special"),
    "no seccomp": (identity(seccompProfile={"type": "Unconfined"}), "nobody special"),
    "kernel settings": (identity(sysctls=[{"name": "kernel.msgmax", "value": "1"}]), "nobody special"),
    "an account": (pod(serviceAccountName="robot"), "no token"),
    "the default account's token": (pod(automountServiceAccountToken=True), "no token"),
    "nobody's pod": (lambda job: job["metadata"].pop("ownerReferences"), "only make pods for"),
    "a pod of somebody else's object": (of_pod("ConfigMap"), "only make pods for"),
    "a pod without our mark": (unmarked, "only make pods for"),
}


def answer(cluster: Kube, manifest: dict[str, Any]) -> str:
    """What the API server says to the operator's account."""
    arguments = ["create", "-f", "-", "--dry-run=server", f"--as={OPERATOR}"]
    return cluster.run(*arguments, stdin=yaml.safe_dump(manifest), check=False)


def run_job() -> dict[str, Any]:
    """A Job of a TrainingRun that names an account."""
    (job,) = golden("dataset/prep-job-plain")
    job["metadata"]["ownerReferences"][0]["kind"] = "TrainingRun"
    job["spec"]["template"]["spec"] |= {"serviceAccountName": "robot", "automountServiceAccountToken": True}
    return job


FILES = sorted(path.relative_to(GOLDEN).with_suffix("") for path in GOLDEN.glob("*/*-job*.yaml"))
SERVERS = [
    *("dataset/data-server", "dataset/data-server-on-a-node", "outputs-server"),
    *("dataset/data-server-that-takes-samples", "dataset/data-server-that-takes-samples-of-one-node"),
]


@pytest.mark.parametrize("name", [*map(str, FILES), *SERVERS])
def test_what_the_operator_makes_is_allowed(cluster: Kube, name: str) -> None:
    manifests = golden(name)
    assert manifests
    for manifest in manifests:
        assert "created (server dry run)" in answer(cluster, manifest)


def test_a_run_may_name_an_account(cluster: Kube) -> None:
    assert "created (server dry run)" in answer(cluster, run_job())


@pytest.mark.parametrize("change", [env(valueFrom=SECRET_KEY), container(envFrom=[{"secretRef": {"name": "theirs"}}])])
def test_a_run_may_be_told_a_secret(cluster: Kube, change: Change) -> None:
    """A Job of one; a server of a run's outputs may not."""
    job = run_job()
    change(job)
    assert "created (server dry run)" in answer(cluster, job)
    (server,) = golden("outputs-server")
    server["metadata"]["ownerReferences"][0] |= {"apiVersion": "blueno.dev/v1alpha1", "kind": "TrainingRun"}
    change(server)
    assert "in their environment" in answer(cluster, server)


@pytest.mark.parametrize("case", DENIED)
def test_bolder_pods_are_denied(cluster: Kube, case: str) -> None:
    change, words = DENIED[case]
    (job,) = golden("dataset/prep-job-plain")
    change(job)
    said = answer(cluster, job)
    assert "ValidatingAdmissionPolicy 'blueno-operator-pods'" in said, said
    assert words in said


def program(*words: str, **more: Any) -> Change:
    """Another program in the container."""
    return lambda job: job["spec"]["template"]["spec"]["containers"][0].update(command=list(words), **more)


def of_a_run(job: dict[str, Any]) -> None:
    job["metadata"]["ownerReferences"][0]["kind"] = "TrainingRun"


def second_container(job: dict[str, Any]) -> None:
    """One that is as harmless as the first, and sees what that mounts."""
    containers = job["spec"]["template"]["spec"]["containers"]
    containers.append({**containers[0], "name": "second"})


INGEST_DENIED: dict[str, Change] = {
    "another program": program("sh", "-c", "cat /secrets/*"),
    "another module": program("python", "-m", "blueno.prep"),
    "arguments": program("python", "-m", "blueno.ingest", args=["-c", "print()"]),
    "a hook": program("python", "-m", "blueno.ingest", lifecycle={"postStart": {"exec": {"command": ["sh"]}}}),
    "of a run": of_a_run,
    "another role": lambda job: job["metadata"]["labels"].update({"blueno.dev/role": "prepare"}),
    "a second container": second_container,
}


@pytest.mark.parametrize("case", INGEST_DENIED)
def test_secrets_are_for_the_ingest_program_alone(cluster: Kube, case: str) -> None:
    (job,) = golden("sample/ingest-job")
    INGEST_DENIED[case](job)
    said = answer(cluster, job)
    assert "ValidatingAdmissionPolicy 'blueno-operator-pods'" in said, said
    assert "mount claims" in said


def test_people_are_not_bound_by_it(cluster: Kube) -> None:
    """What others may run is for Pod Security and their own policies to say."""
    (job,) = golden("dataset/prep-job-plain")
    DENIED["a Secret"][0](job)
    said = cluster.run("create", "-f", "-", "--dry-run=server", stdin=yaml.safe_dump(job), check=False)
    assert "created (server dry run)" in said
