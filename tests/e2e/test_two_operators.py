"""Two operators at work at the same time, which the Lease should prevent and which must do no harm when it cannot.

The second one is a copy of the first with the first one's identity: both hold the Lease. A minute in `make test`, an
hour in `make soak` (BLUENO_SOAK_MINUTES).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from blueno import names
from tests.e2e.kube import Kube
from tests.e2e.mirror import Mirror
from tests.e2e.runs import a_run, status_of, wait_reason
from tests.e2e.sources import archive_dataset, class_folders
from tests.e2e.test_path import digest_of

MINUTES = float(os.environ.get("BLUENO_SOAK_MINUTES") or 60)
PATIENCE = 400.0  # seconds more for the second operator to be first with a Job
SETTLED = 60.0  # seconds in which the last word has to be written
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
        system.run("rollout", "status", "deployment/blueno-operator-twin", "--timeout=180s")
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
        kube.wait_reason(data, "Indexed", kind="Indexed")
        until_let_go(kube, data)
        jobs = [job["metadata"]["name"] for job in kube.list("jobs")]
        assert len(jobs) == 5, jobs
        until_silent(kube)
        kube.run("delete", "trainingruns.blueno.dev", "--all", "--timeout=240s")
        kube.run("delete", "datasets.blueno.dev", "--all", "--timeout=240s")
        kube.wait("no Job left", lambda: not kube.list("jobs"))
        rounds += 1
    assert len(digests) == 1
    print(f"{rounds} rounds")


def until_let_go(kube: Kube, data: str) -> None:
    """Until the data set's finalizer for its runs is gone, half a minute after the last of them: a write of its own."""
    kube.wait("let go of", lambda: names.IN_USE_FINALIZER not in kube.dataset(data)["metadata"].get("finalizers", ()))


def until_silent(kube: Kube) -> None:
    """Until nothing was written for a while: a last word may come late, two that quarrel never come to an end."""
    end = time.monotonic() + SETTLED
    before = bodies(kube)
    while True:
        time.sleep(QUIET)
        after = bodies(kube)
        found = differences(before, after)
        if not found:
            return
        assert time.monotonic() < end, f"they quarrel over a status: {found}"
        before = after


def bodies(kube: Kube) -> dict[str, Any]:
    """All Datasets and TrainingRuns, by kind and name."""
    kinds = ("datasets.blueno.dev", "trainingruns.blueno.dev")
    return {f"{kind}/{body['metadata']['name']}": body for kind in kinds for body in kube.list(kind)}


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Every leaf that is another, with both values: a quarrel names what it is about."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        return [line for key in keys for line in differences(before.get(key), after.get(key), f"{path}.{key}")]
    return [] if before == after else [f"{path}: {before!r} -> {after!r}"]


@pytest.mark.e2e
@pytest.mark.timeout(1200)
def test_two_operators_for_a_minute(kube: Kube, mirror: Mirror, twin: Callable[[], bool]) -> None:
    both_at_work(kube, mirror, 60, twin)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_two_operators_for_long(kube: Kube, mirror: Mirror, twin: Callable[[], bool]) -> None:
    both_at_work(kube, mirror, MINUTES * 60, twin)
