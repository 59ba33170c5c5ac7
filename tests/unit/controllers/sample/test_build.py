"""controllers/sample/build.py: the ingest Job against a golden file (`make golden` rewrites it), which the admission
policy is asked about (tests/e2e/test_pod_policy.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.controllers.sample.world import World

LIST: dict[str, Any] = {"configMapRef": {"name": "lists", "key": "new.csv"}}


def test_one_job_mounts_what_all_that_wait_need(golden: Callable[[str, Any], None]) -> None:
    world = World()
    world.dataset()
    first = world.guarded("on-the-volume", uri="file:///a.png")
    world.guarded("secret", uri="s3://scans/17.png", secretRef={"name": "scanner"})
    world.guarded("listed", manifest=LIST)
    (job,) = world.step(first).apply  # the first in line makes it for all
    golden("sample/ingest-job", dict(job))
