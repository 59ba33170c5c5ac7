"""A node that falls silent under a TrainingRun: forgiven when it comes back, given up when somebody says so.

One node here, so Blueno itself loses its pods with it, and what a second node would take over waits for the first.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.kube import Kube, container
from tests.e2e.runs import UNTIL_TOLD, a_run, let_end, log_of, pods_of, status_of, wait_reason
from tests.e2e.test_training_data import at_step, first_step

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.timeout(1200)]

# Seconds. All but the last is Kubernetes' own: a node is believed in for 50 s after its last sign of life.
WITHIN = 60.0
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
# Works until its node is given up; ten steps after its last checkpoint it is done.
STEPS = """
import time, blueno
latest = blueno.checkpoint.latest()
first = latest.step + 1 if latest else 1
print("from step", first, flush=True)
for step in range(first, first + 10 if latest else 10**6):
    time.sleep(0.5)
    blueno.checkpoint.save(step, lambda folder: (folder / "state").write_text(str(step)))
    blueno.report(step=step)
"""


@contextmanager
def silence(kube: Kube) -> Iterator[str]:
    """The kubelet is dead, and the node's init stands still, which would start it again; gives the node's name."""
    status = json.loads(kube.hack("status", "--json"))
    kubelet, init = status.get("components", {}).get("kubelet"), status.get("init")
    if not kubelet or not init:
        pytest.skip("the kubelet of this cluster is no process of ours")
    node = kube.list("nodes")[0]["metadata"]["name"]
    os.kill(init, signal.SIGSTOP)
    try:
        os.kill(kubelet, signal.SIGKILL)
        yield node
    finally:
        os.kill(init, signal.SIGCONT)


@contextmanager
def labelled(kube: Kube, label: str) -> Iterator[None]:
    """The node, for a while."""
    node, key = kube.list("nodes")[0]["metadata"]["name"], label.partition("=")[0]
    kube.run("label", "node", node, label, "--overwrite")
    try:
        yield
    finally:
        kube.run("label", "node", node, f"{key}-")


def lost(kube: Kube, name: str, node: str) -> None:
    """The run says so in time, and what a person can do."""
    silent = time.monotonic()
    said = wait_reason(kube, name, "NodeLost", WITHIN)
    print(f"NodeLost {time.monotonic() - silent:.0f} s after the kubelet was killed")
    assert f"kubectl taint nodes {node} {OUT_OF_SERVICE}" in said["message"]


def test_a_silent_node_is_named_and_forgiven(kube: Kube) -> None:
    kube.apply(a_run("patient", UNTIL_TOLD))
    wait_reason(kube, "patient", "Running")
    with silence(kube) as node:
        lost(kube, "patient", node)
    wait_reason(kube, "patient", "Running")
    (pod,) = pods_of(kube, "patient")
    let_end(kube, pod)
    wait_reason(kube, "patient", "Completed")
    assert status_of(kube, "patient")["attempt"] == 1
    assert len(pods_of(kube, "patient")) == 1


def test_a_node_that_refuses_the_pod_is_asked_again(kube: Kube) -> None:
    """The scheduler has seen a label that is gone before the kubelet, which stands still meanwhile, takes the pod."""
    kube.apply(a_run("refused", nodeSelector={"blueno.dev/rack": "one"}))
    with kube.stopped("kubelet"), labelled(kube, "blueno.dev/rack=one"):
        kube.wait("its pod", lambda: pods_of(kube, "refused"))
        kube.wait("a node for it", lambda: pods_of(kube, "refused")[0]["spec"].get("nodeName"))
    said = wait_reason(kube, "refused", "Restarting")
    assert "did not take pod refused-" in said["message"]
    assert "NodeAffinity" in said["message"]
    with labelled(kube, "blueno.dev/rack=one"):
        wait_reason(kube, "refused", "Completed")
    assert status_of(kube, "refused")["attempt"] == 2


def test_a_node_that_is_given_up_loses_its_pods_and_the_run_goes_on(kube: Kube) -> None:
    kube.apply(a_run("moved", STEPS, terminationGracePeriodSeconds=1))
    reached = at_step(kube, "moved", 3)
    (before,) = pods_of(kube, "moved")
    uid = before["metadata"]["uid"]
    with silence(kube) as node:
        lost(kube, "moved", node)
        kube.run("taint", "nodes", node, f"{OUT_OF_SERVICE}=nodeshutdown:NoExecute")
        try:
            kube.wait("its pod is gone", lambda: uid not in [pod["metadata"]["uid"] for pod in pods_of(kube, "moved")])
        finally:
            kube.run("taint", "nodes", node, f"{OUT_OF_SERVICE}:NoExecute-")
    wait_reason(kube, "moved", "Completed", 400)
    after = [pod for pod in pods_of(kube, "moved") if pod["metadata"]["uid"] != uid]
    assert len(after) == 1
    assert first_step(log_of(kube, after[0]["metadata"]["name"])) > reached
    assert status_of(kube, "moved")["attempt"] == 1
    for component in ("postgres", "web", "recorder"):  # they were given up, too, and the next test asks them
        kube.wait(f"{component} back", lambda component=component: container(kube.pod_of(component)).get("ready"))
