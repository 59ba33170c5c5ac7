"""A custom resource of ours under a group of its own, so that a test can write any status it likes.

Used by tests/contract/conftest.py and test_crd_*.py. The schema is crds/*.yaml of this checkout with another group: no
operator watches it, and the Datasets of a cluster in use, with whatever schema they have, stay as they are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.contract.apiserver import ROOT, ApiServer, Body

FIXTURES = ROOT / "tests" / "contract" / "fixtures"
NAMESPACED = "/api/v1/namespaces"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def load_crd(singular: str) -> dict[str, Any]:
    """The CustomResourceDefinition as it lies in crds/."""
    crd: dict[str, Any] = yaml.safe_load((ROOT / "crds" / f"{singular}.yaml").read_text())
    return crd


def fixture_files(singular: str, kind: str) -> list[Path]:
    """Fixtures whose name says `kind`: "pass" or "fail" (also fail-something)."""
    return sorted(f for f in (FIXTURES / singular).glob("*.yaml") if f.name.split(".")[1].split("-")[0] == kind)


def rules(singular: str) -> dict[str, str]:
    """Name → message of every CEL rule of the schema."""
    found: dict[str, str] = {}

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            for rule in node.get("x-kubernetes-validations", ()):
                found[rule["rule"].splitlines()[0].removeprefix("// ")] = rule["message"]
            for child in node.values():
                visit(child)
        elif isinstance(node, list):
            for child in node:
                visit(child)

    visit(load_crd(singular)["spec"]["versions"])
    return found


class ScratchKind:
    """One of our kinds, installed as `<plural>.<group>` with a group of its own, and a namespace to try it in."""

    def __init__(self, api: ApiServer, singular: str, group: str, namespace: str) -> None:
        self.api, self.group, self.namespace = api, group, namespace
        crd = load_crd(singular)
        self.plural = crd["spec"]["names"]["plural"]
        self.kind = crd["spec"]["names"]["kind"]
        self.full_name = f"{self.plural}.{group}"
        crd["spec"]["group"] = group
        crd["metadata"] = {"name": self.full_name}
        self._crd = crd
        self.api_version = f"{group}/{crd['spec']['versions'][0]['name']}"
        self.path = f"/apis/{self.api_version}/namespaces/{namespace}/{self.plural}"

    def install(self) -> None:
        """Makes namespace and resource, and waits until the resource is served."""
        self.api.must("POST", NAMESPACED, {"metadata": {"name": self.namespace}})
        self.api.must("POST", CRDS, self._crd, fieldValidation="Strict")
        deadline = time.monotonic() + 90
        while self.api.call("GET", self.path)[0] != 200:
            assert time.monotonic() < deadline, f"{self.full_name} is not served after 90 s"
            time.sleep(0.1)

    def remove(self) -> None:
        """Takes resource and namespace away, with everything of ours in them; no operator frees finalizers here."""
        for item in self.api.call("GET", self.path)[1].get("items", ()):
            if item["metadata"].get("finalizers"):
                path = f"{self.path}/{item['metadata']['name']}"
                self.api.call("PATCH", path, {"metadata": {"finalizers": None}})
        self.api.call("DELETE", f"{CRDS}/{self.full_name}")
        self.api.call("DELETE", f"{NAMESPACED}/{self.namespace}")

    def own(self, body: Body, name: str | None = None) -> dict[str, Any]:
        """`body` as an object of this scratch kind, under another name if one is given."""
        meta = {**body["metadata"], "namespace": self.namespace} | ({"name": name} if name else {})
        return {**body, "apiVersion": self.api_version, "metadata": meta}

    def create(self, body: Body, **query: str) -> tuple[int, dict[str, Any]]:
        """POST with strict field validation."""
        return self.api.call("POST", self.path, body, fieldValidation="Strict", **query)

    def replace_spec(self, body: Body) -> tuple[int, dict[str, Any]]:
        """PUT of `body`'s spec over the object of that name, as `kubectl replace` does."""
        path = f"{self.path}/{body['metadata']['name']}"
        present = self.api.must("GET", path)
        return self.api.call("PUT", path, {**present, "spec": body["spec"]}, fieldValidation="Strict")

    def write_status(self, name: str, status: Body) -> dict[str, Any]:
        """Replaces the status as the operator does it: through the subresource."""
        return self.api.must("PATCH", f"{self.path}/{name}/status", {"status": status}, fieldValidation="Strict")


def documents(file: Path) -> Iterator[dict[str, Any]]:
    """The objects in a fixture: the first is created, each further one is put over it."""
    yield from yaml.safe_load_all(file.read_text())
