"""What the tests of test_training_run_writes.py and test_training_run_rights.py share."""

from __future__ import annotations

from typing import Any

from tests.fakes.access import AccessServer, Rule
from tests.web.conftest import ADMINS, VIEWERS
from tests.web.judged import judge
from tests.web.site import Browser, Reply, Site

ALL = "/api/v1/trainingruns"
ONE = f"{ALL}/lab/train"
EDITORS = "blueno:editor"
WRITE = ("get", "list", "watch", "create", "patch", "delete")
SPEC: dict[str, Any] = {"image": "registry.example.org/train:1", "parameters": {"lr": "0.001"}}


def judging_access() -> AccessServer:
    """Editors may write, viewers may look; the API server judges by the schema."""
    server = AccessServer(rules=[Rule(EDITORS, verbs=WRITE), Rule(VIEWERS), Rule(ADMINS, verbs=WRITE)])
    server.api.judge = judge
    return server


async def an_editor(site: Site) -> Browser:
    return await site.logged_in("ed@example.org", "editor")


def a_new(name: str = "train", namespace: str = "lab", **spec: Any) -> dict[str, Any]:
    return {"namespace": namespace, "name": name, "spec": {**SPEC, **spec}}


def fields(reply: Reply) -> list[str]:
    return [error["field"] for error in reply.json.get("errors", [])]
