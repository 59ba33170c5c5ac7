"""What Blueno costs the API server, by the API server's own log."""

from __future__ import annotations

import json
import time

import pytest

from tests.e2e.audited import audit_log, writes_of_the_operator
from tests.e2e.kube import Kube
from tests.e2e.runs import a_run, condition, wait_reason

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

RUNS = 12
QUIET = 20.0  # seconds: two rounds of the sweep


def test_a_run_that_goes_well_costs_three_writes_and_an_idle_one_none(kube: Kube) -> None:
    log = audit_log()
    if log is None:
        pytest.skip("this cluster keeps no audit log for us")
    runs = [a_run(f"run-{number}", "import time; time.sleep(4)") for number in range(RUNS)]
    kube.run("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": runs}))
    for body in runs:
        wait_reason(kube, body["metadata"]["name"], "Completed")
    seen = [condition(kube, body["metadata"]["name"], "PodsReady") for body in runs]
    assert all(seen), "each was seen running"
    written = writes_of_the_operator(log, kube.namespace)
    of_runs = {what: count for what, count in written.items() if "trainingruns" in what or "jobs" in what}
    assert of_runs == {"create jobs": RUNS, "patch trainingruns/status": 2 * RUNS}, written
    time.sleep(QUIET)
    assert writes_of_the_operator(log, kube.namespace) == written
