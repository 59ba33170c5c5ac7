"""What the operator's account may make of StatefulSets, asked of the real API server: its NFS servers, nothing bolder.

The policy is deploy/components/nfs/server-policy.yaml; nothing is made, the API server is only asked (dry run).
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from blueno import names
from tests.e2e.kube import Kube
from tests.e2e.test_platform import OPERATOR
from tests.e2e.test_pod_policy import (
    GOLDEN,
    SECRET_KEY,
    Change,
    answer,
    container,
    env,
    identity,
    init_container,
    pod,
    second_container,
    security,
    token,
    volume,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def server() -> dict[str, Any]:
    """The StatefulSet of a managed NFS server, as the operator makes it."""
    made: list[dict[str, Any]] = yaml.safe_load((GOLDEN / "nfs/server.yaml").read_text())
    return next(each for each in made if each["kind"] == "StatefulSet")


def data(**source: Any) -> Change:
    """Something else in the place of its claim."""

    def change(made: dict[str, Any]) -> None:
        made["spec"]["template"]["spec"]["volumes"][0] = {"name": "data", **source}

    return change


def mount(**fields: Any) -> Change:
    """Its claim mounted in another way."""
    return lambda made: made["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0].update(fields)


def claim_template(made: dict[str, Any]) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    made["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "more"}, "spec": spec}]


def for_others(made: dict[str, Any]) -> None:
    """One that serves another namespace than it says."""
    made["metadata"]["labels"][names.TENANT_NAMESPACE] = "team-b"


def of_another_role(made: dict[str, Any]) -> None:
    for labels in (made["spec"]["selector"]["matchLabels"], made["spec"]["template"]["metadata"]["labels"]):
        labels[names.ROLE_LABEL] = "serve"


def added(*capabilities: str) -> Change:
    return security(capabilities={"drop": ["ALL"], "add": list(capabilities)})


SHELL = {"exec": {"command": ["sh", "-c", "id"]}}
DENIED: dict[str, tuple[Change, str]] = {
    "no labels": (lambda made: made["metadata"].pop("labels"), "of its own"),
    "somebody else's": (lambda made: made["metadata"]["labels"].pop(names.MANAGED), "of its own"),
    "one for another namespace": (for_others, "of its own"),
    "another role": (of_another_role, "of its own"),
    "the node's network": (pod(hostNetwork=True), "share nothing"),
    "the node's processes": (pod(hostPID=True), "share nothing"),
    "the node's memory": (pod(hostIPC=True), "share nothing"),
    "a port of the node": (container(ports=[{"containerPort": 2049, "hostPort": 2049}]), "share nothing"),
    "a directory of the node": (volume(hostPath={"path": "/"}), "scratch space"),
    "a directory of the node as its data": (data(hostPath={"path": "/"}), "scratch space"),
    "another server's data": (data(persistentVolumeClaim={"claimName": "nfs-team-b"}), "scratch space"),
    "a Secret": (volume(secret={"secretName": "theirs"}), "scratch space"),
    "a token for the API server": (token(None), "scratch space"),
    "a claim of a template": (claim_template, "scratch space"),
    "its data over its program": (mount(mountPath="/app"), "scratch space"),
    "a part of its data": (mount(subPath="team"), "scratch space"),
    "another image": (container(image="example.org/nfs:2"), "one container"),
    "another version of its image": (container(image="localhost/blueno/nfs:old"), "one container"),
    "a second container": (second_container, "one container"),
    "an init container": (init_container, "one container"),
    "another program": (container(command=["sh", "-c", "id"]), "program of their image"),
    "arguments": (container(args=["--help"]), "program of their image"),
    "a hook": (container(lifecycle={"postStart": SHELL}), "program of their image"),
    "a program as its probe": (container(livenessProbe=SHELL), "program of their image"),
    "a program that says when it is ready": (container(readinessProbe=SHELL), "program of their image"),
    "a probe of somebody else": (container(readinessProbe={"tcpSocket": {"port": 1}}), "program of their image"),
    "a program at its start": (container(startupProbe=SHELL), "program of their image"),
    "a place for its modules": (env(value="/export"), "program of their image"),
    "a Secret's key in its environment": (env(valueFrom=SECRET_KEY), "program of their image"),
    "a Secret as its environment": (container(envFrom=[{"secretRef": {"name": "s"}}]), "program of their image"),
    "privileged": (security(privileged=True, allowPrivilegeEscalation=True), "no other privileges"),
    "escalation": (security(allowPrivilegeEscalation=True), "no other privileges"),
    "one capability more": (added("DAC_READ_SEARCH", "SYS_ADMIN"), "no other privileges"),
    "every capability": (added("ALL"), "no other privileges"),
    "the runtime's capabilities": (security(capabilities={}), "no other privileges"),
    "a root that can be written": (security(readOnlyRootFilesystem=False), "no other privileges"),
    "no bounds at all": (container(securityContext={}), "no other privileges"),
    "a domain of SELinux": (security(seLinuxOptions={"type": "spc_t"}), "no other privileges"),
    "a domain of SELinux for all": (identity(seLinuxOptions={"type": "spc_t"}), "no other privileges"),
    "kernel settings": (identity(sysctls=[{"name": "kernel.msgmax", "value": "1"}]), "no other privileges"),
    "an account": (pod(serviceAccountName="robot"), "no token"),
    "the default account's token": (pod(automountServiceAccountToken=True), "no token"),
}


def test_its_servers_are_allowed(cluster: Kube) -> None:
    assert "created (server dry run)" in answer(cluster.inside(names.STORAGE_NAMESPACE), server())


@pytest.mark.parametrize("case", DENIED)
def test_bolder_servers_are_denied(cluster: Kube, case: str) -> None:
    change, words = DENIED[case]
    made = server()
    change(made)
    said = answer(cluster.inside(names.STORAGE_NAMESPACE), made)
    assert "ValidatingAdmissionPolicy 'blueno-operator-servers'" in said, said
    assert words in said


def test_what_it_makes_of_a_server_is_bound_too(cluster: Kube) -> None:
    """Of one that is there: the patch of an upgrade passes, one that adds a program does not; people are not bound."""
    storage, made = cluster.inside(names.STORAGE_NAMESPACE), server()
    made["metadata"]["name"] = made["spec"]["serviceName"] = "nfs-policy-test"
    made["spec"]["replicas"] = 0
    made["spec"]["template"]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] = "nfs-policy-test"
    storage.apply(made)
    try:
        for words, change in {"patched": container(), "program of their image": container(command=["sh"])}.items():
            change(made)
            patch = yaml.safe_dump({"spec": {"template": made["spec"]["template"]}})
            arguments = ["patch", "statefulset", "nfs-policy-test", "--type=merge", "-p", patch, f"--as={OPERATOR}"]
            assert words in storage.run(*arguments, "--dry-run=server", check=False)
    finally:
        storage.run("delete", "statefulset", "nfs-policy-test")
