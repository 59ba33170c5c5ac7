"""TrainingRuns for tests, as the API server shows them. Used by tests/db, tests/web and tests/unit."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

from blueno import names

DIGEST = "1a2b3c4d" + "0" * 56
_versions = itertools.count(5000)


def run_uid(name: str, namespace: str = "lab") -> str:
    """The same for the same name."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{namespace}.run.test"))


def a_run(name: str = "train", namespace: str = "lab", state: str = "running", **fields: Any) -> dict[str, Any]:
    """A run in that state; `spec`, `status` and `meta` are laid over, `reason` and `message` are the condition's."""
    spec = {"image": "registry.example.org/train:1", "datasets": [{"name": "digits"}], **fields.pop("spec", {})}
    status = {"observedGeneration": 1, "conditions": conditions(state, fields), **fields.pop("status", {})}
    meta = {
        "name": name,
        "namespace": namespace,
        "uid": run_uid(name, namespace),
        "generation": 1,
        "resourceVersion": str(next(_versions)),
        "creationTimestamp": "2026-03-01T12:00:00Z",
        **fields.pop("meta", {}),
    }
    assert not fields, fields
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.TRAINING_RUN_KIND,
        "metadata": meta,
        "spec": spec,
        "status": status,
    }


def conditions(state: str, fields: dict[str, Any]) -> list[dict[str, str]]:
    """Of a run that is pending, running, suspended, succeeded or failed."""
    succeeded = {"succeeded": "True", "failed": "False"}.get(state, "Unknown")
    reason = fields.pop("reason", {"succeeded": "Completed", "failed": "UserError"}.get(state, state.capitalize()))
    since, message = "2026-03-01T12:01:00Z", fields.pop("message", "m")

    def one(kind: str, status: str, word: str) -> dict[str, str]:
        return {"type": kind, "status": status, "reason": word, "message": message, "lastTransitionTime": since}

    return [
        one("PodsReady", "True" if state == "running" else "False", "Running"),
        one("Stalled", "True" if state == "failed" else "False", reason),
        one("Succeeded", succeeded, reason),
        one("Suspended", "True" if state == "suspended" else "False", "Suspended"),
    ]
