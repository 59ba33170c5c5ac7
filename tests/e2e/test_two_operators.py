"""Two operators at work at the same time, which the Lease should prevent and which must do no harm when it cannot.

The second one is a copy of the first with the first one's identity: both hold the Lease. A minute in `make test`, an
hour in `make soak` (BLUENO_SOAK_MINUTES).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.kube import Kube
from tests.e2e.mirror import Mirror
from tests.e2e.runs import a_run, status_of, wait_reason
from tests.e2e.sources import archive_dataset, class_folders
from tests.e2e.test_path import digest_of

MINUTES = float(os.environ.get("BLUENO_SOAK_MINUTES") or 60)
PATIENCE = 180.0  # seconds more for the second operator to be first with a Job
QUIET = 12.0  # seconds in which nothing may be written once all is done: more than two renewals of the Lease


@pytest.fixture
def twin(cluster: Kube) -> Iterator[Callable[[], bool]]:
    """A second operator that believes to be the first; says whether it has made a Job yet."""
    system = cluster.inside("blueno-system")
    first = cluster.wait("the operator", cluster.operator_pod)["metadata"]["name"]
    made = system.get("deployment", "blueno-operator")
    marks = {"app.kubernetes.io/name": "blueno", "blueno-test": "twin"}
    spec = made["spec"]
    spec["selector"]["matchLabels"] = spec["template"]["metadata"]["labels"] = marks
    (container,) = spec["template"]["spec"]["containers"]
    env = [variable for variable in container["env"] if variable["name"] != "BLUENO_IDENTITY"]
    container["env"] = [*env, {"name": "BLUENO_IDENTITY", "value": first}]
    twin = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "blueno-operator-twin"}, "spec": spec}
    system.apply(twin)
    try:
        system.run("rollout", "status", "deployment/blueno-operator-twin", "--timeout=60s")
        pod = system.list("pods", "blueno-test=twin")[0]["metadata"]["name"]
        cluster.wait("its Lease", lambda: f"holding lease blueno-system/blueno-operator as {first}" in log(system, pod))
        yield lambda: "created Job" in log(system, pod)
    finally:
        system.run("delete", "deployment", "blueno-operator-twin", "--wait=true", check=False)


def log(system: Kube, pod: str) -> str:
    return system.run("logs", pod, "--tail=-1", check=False)


def both_at_work(kube: Kube, mirror: Mirror, seconds: float, twin: Callable[[], bool]) -> None:
    """A stream of data sets and runs; one Job for each, and then silence. Goes on until the twin was first once."""
    content = class_folders(80)
    url = mirror.put("p.tar", content)
    started, rounds = time.monotonic(), 0
    digests = set()
    while (passed := time.monotonic() - started) < seconds or not twin():
        assert passed < seconds + PATIENCE, "the second operator did nothing: the test proved nothing"
        data, runs = f"pictures-{rounds}", [f"train-{rounds}-{number}" for number in range(4)]
        kube.apply(archive_dataset(data, url, content), *(a_run(run, datasets=[{"name": data}]) for run in runs))
        ready = kube.wait_ready(data)
        digests.add(digest_of(ready))
        assert ready["status"]["work"]["attempt"] == 1
        for run in runs:
            wait_reason(kube, run, "Completed")
            status = status_of(kube, run)
            assert (status["attempt"], status.get("restarts", 0)) == (1, 0)
        kube.wait_reason(data, "Indexed", kind="Indexed")  # the recorder's word is the last that is news
        jobs = [job["metadata"]["name"] for job in kube.list("jobs")]
        assert len(jobs) == 5, jobs
        versions = {kind: versions_of(kube, kind) for kind in ("datasets.blueno.dev", "trainingruns.blueno.dev")}
        time.sleep(QUIET)
        assert versions == {kind: versions_of(kube, kind) for kind in versions}, "they quarrel over a status"
        kube.run("delete", "trainingruns.blueno.dev", "--all", "--timeout=60s")
        kube.run("delete", "datasets.blueno.dev", "--all", "--timeout=60s")
        kube.wait("no Job left", lambda: not kube.list("jobs"), 60)
        rounds += 1
    assert len(digests) == 1
    print(f"{rounds} rounds")


def versions_of(kube: Kube, kind: str) -> dict[str, str]:
    """resourceVersions by name."""
    return {body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in kube.list(kind)}


@pytest.mark.e2e
@pytest.mark.timeout(400)
def test_two_operators_for_a_minute(kube: Kube, mirror: Mirror, twin: Callable[[], bool]) -> None:
    both_at_work(kube, mirror, 60, twin)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_two_operators_for_long(kube: Kube, mirror: Mirror, twin: Callable[[], bool]) -> None:
    both_at_work(kube, mirror, MINUTES * 60, twin)
