"""What the tests of test_training_run_writes.py and test_training_run_rights.py share."""

from __future__ import annotations

from typing import Any

from tests.web.site import Reply

ALL = "/api/v1/trainingruns"
ONE = f"{ALL}/lab/train"
EDITORS = "blueno:editor"
WRITE = ("get", "list", "watch", "create", "patch", "delete")
SPEC: dict[str, Any] = {"image": "registry.example.org/train:1", "parameters": {"lr": "0.001"}}


def a_new(name: str = "train", namespace: str = "lab", **spec: Any) -> dict[str, Any]:
    return {"namespace": namespace, "name": name, "spec": {**SPEC, **spec}}


def fields(reply: Reply) -> list[str]:
    return [error["field"] for error in reply.json.get("errors", [])]
