"""What befalls a preparation's pod: no memory left, evicted, its node drained or silent, containerd killed."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from typing import Any

import pytest
from PIL import Image

from tests.e2e.kube import Kube, container
from tests.e2e.mirror import Mirror
from tests.e2e.runs import UNTIL_TOLD, a_run, let_end, pods_of, status_of, wait_reason
from tests.e2e.sources import archive_dataset, png, tar
from tests.e2e.test_path import digest_of
from tests.e2e.test_training_node import OUT_OF_SERVICE, WITHIN, silence
from tests.e2e.web import Web, wait_data_server, wait_indexed

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.timeout(600)]


def pods(kube: Kube, name: str) -> list[dict[str, Any]]:
    """The Dataset's preparation pods, also those that have ended."""
    return kube.list("pods", f"blueno.dev/role=prepare,blueno.dev/dataset={name}")


def done(kube: Kube, name: str) -> list[dict[str, Any]]:
    return [pod for pod in pods(kube, name) if pod["status"]["phase"] == "Succeeded"]


def between(kube: Kube, mirror: Mirror, name: str) -> tuple[dict[str, Any], str]:
    """The pod of a new Dataset, which has one of two files and waits for the other; and the digest to come to."""
    dataset = archive_dataset("reference", mirror.put("first.tar", named("first", 10)))
    files = dataset["spec"]["source"]["archive"]["files"]
    files.append({"url": mirror.put("second.tar", named("second", 200))})
    kube.apply(dataset)
    expected = digest_of(kube.wait_ready("reference"))
    mirror.requests.clear()
    mirror.delay = 3.0  # once for the first file, which is small
    kube.apply(dataset | {"metadata": {"name": name}, "spec": dataset["spec"] | {"prepare": {"backoffLimit": 0}}})
    kube.wait("the second file asked for", lambda: "/second.tar" in mirror.requests, every=0.1)
    mirror.delay = 20.0  # until resumed(): after 30 s without a byte it would ask again
    (pod,) = pods(kube, name)
    return pod, expected


def named(prefix: str, count: int) -> bytes:
    return tar({f"{prefix}/{number}.png": png(number) for number in range(count)})


def resumed(kube: Kube, mirror: Mirror, name: str, expected: str, seconds: float = 60) -> None:
    """Ready, by the same attempt, and from what there was."""
    mirror.delay = 0.0
    ready = kube.wait_ready(name, seconds)
    assert digest_of(ready) == expected
    assert ready["status"]["work"]["attempt"] == 1
    assert mirror.requests.count("/first.tar") == 1, "what was downloaded is kept"


def huge() -> bytes:
    """A picture of 192 MB, in a small file."""
    buffer = io.BytesIO()
    Image.new("RGB", (8000, 8000)).save(buffer, "PNG")
    return buffer.getvalue()


def test_out_of_memory_is_said_and_a_higher_limit_heals_it(kube: Kube, mirror: Mirror) -> None:
    content = tar({"a/huge.png": huge()})

    def within(memory: str) -> Mapping[str, Any]:
        limits = {"backoffLimit": 1, "resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": memory}}}
        return archive_dataset("big", mirror.put("v.tar", content), content, prepare=limits)

    kube.apply(within("200Mi"))
    said = kube.wait_reason("big", "PrepOutOfMemory", kind="Stalled")["message"]
    assert "more memory than 200Mi, 2 times: raise spec.prepare.resources.limits.memory" in said
    assert kube.condition("big", "Stalled")["status"] == "True"
    assert [container(pod)["state"]["terminated"]["reason"] for pod in pods(kube, "big")] == ["OOMKilled"] * 2
    kube.apply(within("2Gi"))
    ready = kube.wait_ready("big")
    assert (ready["status"]["samples"], ready["status"]["work"]["attempt"]) == (1, 2)
    assert mirror.requests.count("/v.tar") == 1, "what was downloaded is kept"


def test_an_evicted_preparation_goes_on_and_nothing_is_counted(kube: Kube, mirror: Mirror) -> None:
    pod, expected = between(kube, mirror, "evicted")
    kube.evict(pod["metadata"]["name"])
    resumed(kube, mirror, "evicted", expected)
    assert pod["metadata"]["name"] not in [each["metadata"]["name"] for each in done(kube, "evicted")]


def test_a_drained_node_lets_the_preparation_wait(kube: Kube, mirror: Mirror) -> None:
    pod, expected = between(kube, mirror, "drained")
    node = pod["spec"]["nodeName"]
    ours = "blueno.dev/role=prepare,blueno.dev/dataset=drained"
    try:
        kube.run("drain", node, "--delete-emptydir-data", f"--pod-selector={ours}", "--timeout=60s")
        assert "unschedulable" in kube.wait_reason("drained", "Unschedulable", 30)["message"]
    finally:
        kube.run("uncordon", node)
    resumed(kube, mirror, "drained", expected)


def test_a_silent_node_under_a_preparation_is_named_and_given_up(kube: Kube, mirror: Mirror) -> None:
    pod, expected = between(kube, mirror, "lost")
    uid = pod["metadata"]["uid"]
    with silence(kube) as node:
        silent = time.monotonic()
        said = kube.wait_reason("lost", "NodeLost", WITHIN)["message"]
        print(f"NodeLost {time.monotonic() - silent:.0f} s after the kubelet was killed")
        assert f"kubectl taint nodes {node} {OUT_OF_SERVICE}" in said
        assert kube.condition("lost", "Stalled")["status"] == "False"
        kube.run("taint", "nodes", node, f"{OUT_OF_SERVICE}=nodeshutdown:NoExecute")
        try:
            kube.wait("its pod is gone", lambda: uid not in [each["metadata"]["uid"] for each in pods(kube, "lost")])
        finally:
            kube.run("taint", "nodes", node, f"{OUT_OF_SERVICE}:NoExecute-")
    resumed(kube, mirror, "lost", expected, 400)  # the operator was given up, too, with the Lease in its hand
    for component in ("postgres", "web", "recorder"):  # they were given up, too, and the next test asks them
        kube.wait(f"{component} back", lambda component=component: container(kube.pod_of(component)).get("ready"))


def restarts(kube: Kube) -> dict[str, int]:
    """How often each pod's container has begun again, by the pod's uid."""
    everywhere = [*kube.list("pods"), *kube.inside("blueno-system").list("pods")]
    return {pod["metadata"]["uid"]: container(pod).get("restartCount", 0) for pod in everywhere}


def test_a_killed_containerd_restarts_no_pod(kube: Kube, mirror: Mirror, web: Web) -> None:
    kube.apply(a_run("trains", UNTIL_TOLD))
    wait_reason(kube, "trains", "Running")
    _, expected = between(kube, mirror, "victim")
    wait_indexed(kube, "reference")
    wait_data_server(kube, web, "reference")
    before = restarts(kube)
    for _ in range(2):
        kube.hack("kill", "containerd")
        time.sleep(2)
    sheet = f"{web.dataset(kube, 'reference')}/sheet?rows=0-9"
    assert web.ask(sheet, seconds=10).status == 200, "not even asked to wait"
    resumed(kube, mirror, "victim", expected)
    (pod,) = pods_of(kube, "trains")
    let_end(kube, pod)
    wait_reason(kube, "trains", "Completed")
    assert (status_of(kube, "trains")["attempt"], len(pods_of(kube, "trains"))) == (1, 1)
    after = restarts(kube)
    assert before.items() <= after.items(), "no pod was replaced, no container begun again"
    assert len(pods(kube, "victim")) == 1
