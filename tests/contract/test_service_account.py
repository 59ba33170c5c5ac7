"""Who may name a ServiceAccount in a TrainingRun: deploy/base/admission.yaml on the real API server, with two users.

The policy of this checkout is installed for a scratch kind, under a name of its own, and goes away with it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.contract.apiserver import ROOT, ApiServer
from tests.contract.crd import ScratchKind

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POLICIES, BINDINGS = f"{ADMISSION}/validatingadmissionpolicies", f"{ADMISSION}/validatingadmissionpolicybindings"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"
EDITOR, MAKER = "contract-editor", "contract-maker-of-pods"  # both may write runs, the second may make pods
WEB = "system:serviceaccount:blueno-system:blueno-web"


@dataclass(frozen=True)
class As:
    """The scratch kind in the hands of one user."""

    runs: ScratchKind
    api: ApiServer

    def create(self, name: str, **spec: Any) -> tuple[int, str]:
        """(status, message) of POST."""
        body = {"kind": "TrainingRun", "metadata": {"name": name}, "spec": {"image": "example.org/train:1", **spec}}
        code, answer = self.api.call("POST", self.runs.path, self.runs.own(body))
        return code, str(answer.get("message", ""))

    def patch(self, name: str, patch: dict[str, Any], sub: str = "") -> tuple[int, str]:
        code, answer = self.api.call("PATCH", f"{self.runs.path}/{name}{sub}", patch)
        return code, str(answer.get("message", ""))


def grant(runs: ScratchKind, user: str, *rules: dict[str, Any]) -> None:
    """A Role and its binding in the scratch namespace, which goes with it."""
    path, meta = f"{RBAC}/{runs.namespace}", {"name": user.rpartition(":")[2]}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": meta["name"]}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    runs.api.must("POST", f"{path}/roles", {"metadata": meta, "rules": list(rules)})
    runs.api.must("POST", f"{path}/rolebindings", {"metadata": meta, "roleRef": role, "subjects": [subject]})


@pytest.fixture(scope="module")
def runs(training_runs: ScratchKind) -> Iterator[ScratchKind]:
    """The scratch kind with the policy in force and both users' rights."""
    name = f"contract-{training_runs.namespace}"
    manifests = yaml.safe_load_all((ROOT / "deploy/base/admission.yaml").read_text())
    policy, binding = (body for body in manifests if body["metadata"]["name"].startswith("trainingruns-"))
    policy["metadata"]["name"] = binding["metadata"]["name"] = binding["spec"]["policyName"] = name
    policy["spec"]["matchConstraints"]["resourceRules"][0]["apiGroups"] = [training_runs.group]
    write = {
        "apiGroups": [training_runs.group],
        "resources": ["trainingruns", "trainingruns/status"],
        "verbs": ["get", "create", "update", "patch", "delete"],
    }
    for user in (EDITOR, WEB):
        grant(training_runs, user, write)
    grant(training_runs, MAKER, write, {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]})
    try:
        training_runs.api.must("POST", POLICIES, policy, fieldValidation="Strict")
        training_runs.api.must("POST", BINDINGS, binding, fieldValidation="Strict")
        editor, deadline = As(training_runs, training_runs.api.acting_as(EDITOR)), time.monotonic() + 90
        while editor.create(f"probe-{time.monotonic_ns()}", serviceAccountName="robot")[0] != 403:
            assert time.monotonic() < deadline, "the policy is not in force after 90 s"
            time.sleep(0.5)
        yield training_runs
    finally:
        training_runs.api.call("DELETE", f"{BINDINGS}/{name}")
        training_runs.api.call("DELETE", f"{POLICIES}/{name}")


@pytest.fixture
def editor(runs: ScratchKind) -> As:
    return As(runs, runs.api.acting_as(EDITOR))


@pytest.fixture
def maker(runs: ScratchKind) -> As:
    return As(runs, runs.api.acting_as(MAKER))


def test_the_policy_has_no_type_errors(runs: ScratchKind) -> None:
    """The API server has checked the expressions; its warnings would be in the status."""
    status = runs.api.must("GET", f"{POLICIES}/contract-{runs.namespace}").get("status") or {}
    assert not (status.get("typeChecking") or {}).get("expressionWarnings"), status


@pytest.mark.parametrize("account", ["robot", "default"])
def test_only_who_may_make_pods_names_an_account(editor: As, maker: As, account: str) -> None:
    code, message = editor.create(f"mine-{account}", serviceAccountName=account)
    assert code == 403
    assert f"{EDITOR} may not create pods in namespace {editor.runs.namespace}" in message
    assert f"ServiceAccount {account}" in message
    assert "leave the field out" in message
    assert maker.create(f"mine-{account}", serviceAccountName=account)[0] == 201
    assert editor.create(f"none-{account}")[0] == 201


def test_who_may_not_can_stop_it_and_not_start_it_again(editor: As, maker: As) -> None:
    assert maker.create("stopped", serviceAccountName="robot")[0] == 201
    assert editor.patch("stopped", {"spec": {"suspend": True}})[0] == 200
    code, message = editor.patch("stopped", {"spec": {"suspend": False}})
    assert code == 403, message
    assert "may not create pods" in message
    assert maker.patch("stopped", {"spec": {"suspend": False}})[0] == 200
    assert editor.patch("stopped", {"spec": {"cancel": True}})[0] == 200


def test_a_run_without_an_account_is_nobodys_business(editor: As) -> None:
    assert editor.create("plain", suspend=True)[0] == 201
    assert editor.patch("plain", {"spec": {"suspend": False}})[0] == 200


def test_an_account_is_not_slipped_in_later(editor: As) -> None:
    """The schema refuses the change already; the policy would, too."""
    assert editor.create("late")[0] == 201
    assert editor.patch("late", {"spec": {"serviceAccountName": "robot", "suspend": True}})[0] in (403, 422)


def test_what_is_no_change_of_spec_is_let_through(editor: As, maker: As) -> None:
    """The operator's status, the garbage collector's finalizers: neither may make pods as themselves."""
    assert maker.create("kept", serviceAccountName="robot")[0] == 201
    assert editor.patch("kept", {"metadata": {"finalizers": ["example.org/wait"], "labels": {"a": "b"}}})[0] == 200
    assert editor.patch("kept", {"metadata": {"finalizers": None}})[0] == 200
    assert editor.patch("kept", {"status": {"observedGeneration": 1}}, "/status")[0] == 200


def test_the_web_process_is_trusted_to_have_asked(runs: ScratchKind) -> None:
    web = As(runs, runs.api.acting_as(WEB))
    assert web.create("by-web", serviceAccountName="robot")[0] == 201
