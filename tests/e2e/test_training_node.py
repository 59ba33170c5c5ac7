"""A node that falls silent under a TrainingRun. One node here: what a second one would take over is not run."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.e2e.kube import Kube
from tests.e2e.runs import a_run, pods_of, status_of, wait_reason

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_a_silent_node_is_named_and_forgiven(kube: Kube) -> None:
    kubelet = json.loads(kube.hack("status", "--json")).get("components", {}).get("kubelet")
    if not kubelet:
        pytest.skip("the kubelet of this cluster is no process of ours")
    kube.apply(a_run("patient", "import time; time.sleep(100)"))
    wait_reason(kube, "patient", "Running")
    os.kill(kubelet, signal.SIGSTOP)
    try:
        silent = time.monotonic()
        said = wait_reason(kube, "patient", "NodeLost", 90)
        print(f"NodeLost {time.monotonic() - silent:.0f} s after the kubelet fell silent")
        node = kube.list("nodes")[0]["metadata"]["name"]
        assert f"kubectl taint nodes {node} node.kubernetes.io/out-of-service" in said["message"]
    finally:
        os.kill(kubelet, signal.SIGCONT)
    wait_reason(kube, "patient", "Running", 60)
    wait_reason(kube, "patient", "Completed", 120)
    assert status_of(kube, "patient")["attempt"] == 1
    assert len(pods_of(kube, "patient")) == 1
