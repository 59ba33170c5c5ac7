"""What an ingest pod is told about a Sample."""

from __future__ import annotations

import pytest

from controllers.sample.tasks import task_of
from tests.unit.controllers.sample.world import OLD, World


@pytest.mark.parametrize(
    ("generation", "observed", "ready", "deleting", "strayed"),
    [
        (1, -1, False, False, False),  # the first spec
        (2, -1, False, False, True),  # changed before anything was told
        (2, 1, False, False, True),
        (2, 2, False, False, True),  # told of: that it waits
        (2, 1, True, False, False),  # it lies where status says
        (3, 1, True, False, True),  # one between was never told of
        (3, 3, True, False, False),  # asked for again
        (2, -1, False, True, False),  # the deletion is a generation, too
        (3, -1, False, True, True),
        (3, 2, True, True, False),
        (3, 1, True, True, False),  # it lies where status says, or where the present spec does
    ],
)
def test_whether_it_may_lie_under_a_key_that_no_status_tells(
    generation: int, observed: int, ready: bool, deleting: bool, strayed: bool
) -> None:
    body = World().sample()
    body["metadata"] |= {"generation": generation, **({"deletionTimestamp": OLD} if deleting else {})}
    said = {"type": "Ready", "status": "True" if ready else "False", "reason": "", "message": ""}
    body["status"] = {"observedGeneration": observed, "conditions": [said]}
    task = task_of(body)
    assert task is not None
    assert task.strayed == strayed
