"""What Blueno costs the API server, by the API server's own log."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any

import pytest

from controllers.training_run.running import QUIET as STARTS_QUIETLY
from tests.e2e.audited import audit_log, writes_of_the_operator
from tests.e2e.kube import Kube, container
from tests.e2e.runs import UNTIL_TOLD, a_run, let_end, pods_of, wait_reason

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

RUNS = 12
QUIET = 20.0  # seconds: two rounds of the sweep


def started_late(pod: dict[str, Any]) -> bool:
    """Whether its start may have taken so long that the run said so, which is a write more."""
    placed = next(each["lastTransitionTime"] for each in pod["status"]["conditions"] if each["type"] == "PodScheduled")
    began = datetime.fromisoformat(container(pod)["state"]["running"]["startedAt"])
    return (began - datetime.fromisoformat(placed)).total_seconds() > STARTS_QUIETLY / 2


def test_a_run_that_goes_well_costs_three_writes_and_an_idle_one_none(kube: Kube) -> None:
    log = audit_log()
    if log is None:
        pytest.skip("this cluster keeps no audit log for us")
    kube.apply(a_run("first"))  # it makes the claim, which the others find bound
    wait_reason(kube, "first", "Completed")
    before = writes_of_the_operator(log, kube.namespace)
    runs = [a_run(f"run-{number}", UNTIL_TOLD) for number in range(RUNS)]
    kube.run("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": runs}))
    for body in runs:
        wait_reason(kube, body["metadata"]["name"], "Running")
    pods = [pods_of(kube, body["metadata"]["name"])[0] for body in runs]
    for pod in pods:
        let_end(kube, pod)
    for body in runs:
        wait_reason(kube, body["metadata"]["name"], "Completed")
    written = writes_of_the_operator(log, kube.namespace)
    new = written - before
    of_runs = {what: count for what, count in new.items() if "trainingruns" in what or "jobs" in what}
    told = of_runs.pop("patch trainingruns/status")
    assert of_runs == {"create jobs": RUNS}, written
    assert 2 * RUNS <= told <= 2 * RUNS + sum(map(started_late, pods)), written
    time.sleep(QUIET)
    assert writes_of_the_operator(log, kube.namespace) == written
