"""Code from a git repository: which commit it was is said, and a branch that moves changes nothing for a run."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.e2e.kube import Kube
from tests.e2e.runs import a_run, log_of, pods_of, status_of, wait_reason
from tests.fakes.git_server import serving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

TRAIN = """
    import os, pathlib, sys, time
    before = pathlib.Path(os.environ["BLUENO_OUTPUT"], "before")
    print("this is commit {name}", flush=True)
    if not before.exists():
        before.write_text("{name}")
        time.sleep(15)
        sys.exit(1)
"""


def test_a_branch_that_moves_changes_nothing_for_a_run(kube: Kube, tmp_path: Path) -> None:
    with serving(tmp_path / "repository", kube.host_address) as repository:
        first = repository.commit(textwrap.dedent(TRAIN.format(name="one")))
        code = {"git": {"url": repository.url, "revision": "main"}}
        kube.apply(a_run("pinned", command=["python", "train.py"], code=code, backoffLimit=2))
        wait_reason(kube, "pinned", "Running")
        second = repository.commit(textwrap.dedent(TRAIN.format(name="two")))
        wait_reason(kube, "pinned", "Completed")
        status = status_of(kube, "pinned")
        assert (status["codeRevision"], status["attempt"]) == (first, 1)
        logs = [log_of(kube, pod["metadata"]["name"]) for pod in pods_of(kube, "pinned")]
        assert len(logs) == 2
        assert all("this is commit one" in log for log in logs), logs
        kube.apply(a_run("newer", command=["python", "train.py"], code=code, backoffLimit=2))
        wait_reason(kube, "newer", "Completed")
        assert status_of(kube, "newer")["codeRevision"] == second
