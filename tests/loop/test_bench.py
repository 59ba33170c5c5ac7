"""bench/training_runs.py measures what it says: here on the fake cluster, with a few runs."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from tests.fakes.job_controller import JobController
from tests.loop.conftest import TOP, World

PROGRAM = """
import asyncio, json, sys
sys.path[:0] = ["bench"]
import training_runs
training_runs.ALONE, training_runs.REPETITIONS = 2, 1
print(json.dumps(asyncio.run(training_runs.repeat("lab"))))
"""


async def test_the_benchmark_of_training_runs(world: World, jobs: JobController) -> None:
    operator = await world.at_work()
    jobs.heard = True  # Running is one of the writes that are counted
    environment = {
        "PATH": os.environ["PATH"],
        "KUBECONFIG": str(world.folder / "kubeconfig"),
        "PYTHONPATH": str(TOP),
        "BLUENO_BENCH_RUNS": "20",
        "BLUENO_BENCH_REAL": "1",  # the fake API server has pods, and no nodes
        "BLUENO_METRICS_URL": f"http://localhost:{operator.http}/metrics",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM), cwd=TOP, env=environment, stdout=-1, stderr=-1
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    found = {row["metric"]: row for row in json.loads(output.splitlines()[-1])}
    assert found["run_writes"]["ours"]["median"] == 3
    assert 2 <= found["run_writes_at_once"]["ours"]["median"] <= 3
    assert found["pod_running_to_status_ms_p50"]["ours"]["median"] > 0
    assert found["pod_running_to_status_ms_p99"]["ours"]["n"] == 1
    job = found["apply_to_job_ms_p50"]
    assert job["beside"]["bare watcher"]["median"] > 0
    assert job["ours"]["median"] > 0
