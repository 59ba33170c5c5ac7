"""TrainingRuns for tests: manifests of small programs, and what is waited for. Used by test_training*.py."""

from __future__ import annotations

import textwrap
from typing import Any

from tests.e2e.kube import Kube

IMAGE = "localhost/blueno/prep:dev"  # Python and numpy, and on the node already
REQUESTS = {"requests": {"cpu": "20m", "memory": "64Mi"}}

# Runs until let_end().
UNTIL_TOLD = "import os, time\nwhile not os.path.exists('/tmp/enough'): time.sleep(0.2)"


def a_run(name: str, program: str = "pass", **spec: Any) -> dict[str, Any]:
    """A run of a Python program."""
    what = {"image": IMAGE, "command": ["python", "-c", textwrap.dedent(program)], "resources": REQUESTS}
    return {
        "apiVersion": "blueno.dev/v1alpha1",
        "kind": "TrainingRun",
        "metadata": {"name": name},
        "spec": what | spec,
    }


def run_of(kube: Kube, name: str) -> dict[str, Any]:
    """The TrainingRun."""
    return kube.get("trainingruns.blueno.dev", name)


def status_of(kube: Kube, name: str) -> dict[str, Any]:
    """Its status, {} before there is one."""
    return dict(run_of(kube, name).get("status") or {})


def condition(kube: Kube, name: str, kind: str = "Succeeded") -> dict[str, Any]:
    """A condition of it, or {}."""
    return next((c for c in status_of(kube, name).get("conditions") or () if c["type"] == kind), {})


def wait_reason(kube: Kube, name: str, reason: str, seconds: float = 180) -> dict[str, Any]:
    """Its Succeeded condition, once it has this reason."""

    def matching() -> dict[str, Any] | None:
        found = condition(kube, name)
        if found.get("status") in ("True", "False") and found.get("reason") != reason:
            raise AssertionError(f"{name} ended with {found}\n{run_of(kube, name)['status']}")
        return found if found.get("reason") == reason else None

    return dict(kube.wait(f"{name}: {reason}, now {condition(kube, name)}", matching, seconds))


def allow_no_pods(kube: Kube, name: str) -> None:
    """A quota without a pod, once it is in force."""
    kube.run("create", "quota", name, "--hard=pods=0")
    kube.wait(f"quota {name} in force", lambda: kube.get("resourcequota", name).get("status", {}).get("hard"))


def pods_of(kube: Kube, name: str) -> list[dict[str, Any]]:
    """Its pods."""
    return kube.list("pods", f"blueno.dev/training-run={name}")


def let_end(kube: Kube, pod: dict[str, Any]) -> None:
    """A run of UNTIL_TOLD, in this pod, ends."""
    kube.run("exec", pod["metadata"]["name"], "-c", "train", "--", "touch", "/tmp/enough")


def log_of(kube: Kube, pod: str) -> str:
    """What the training container wrote."""
    return kube.run("logs", pod, "-c", "train")
