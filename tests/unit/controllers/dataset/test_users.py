"""controllers/dataset/users.py: which runs use a Dataset, and what is written about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from blueno import names
from blueno.resources.conditions import rfc3339
from controllers.cache import Cache
from controllers.dataset.kind import DatasetKind
from controllers.dataset.users import NAMED, find_users, mark, used_by
from controllers.heard import NOTHING
from controllers.holds import Holds
from tests.make import NOW, UID, a_body, a_dataset, a_status, a_world, before
from tests.unit.controllers.dataset.steps import deeds

HELD = {"finalizers": [names.IN_USE_FINALIZER]}
LEAVING = {"deletionTimestamp": rfc3339(before(5))}
RUNNING_POD = {"phase": "Running"}


class Lab:
    """A cache with runs of the Dataset mnist."""

    def __init__(self) -> None:
        self.cache, self.holds, self.version = Cache(), Holds(), 0

    def put(self, kind: str, name: str, *, meta: dict[str, Any] | None = None, **body: Any) -> None:
        self.version += 1
        own = {"name": name, "namespace": "lab", "uid": f"uid-{name}", "resourceVersion": str(self.version)}
        self.cache.upsert(kind, {"metadata": {**own, **(meta or {})}, "spec": {}, "status": {}, **body})

    def run(self, name: str = "r1", reason: str = "", *, succeeded: str = "Unknown", **meta: Any) -> None:
        said = [{"type": "Succeeded", "status": succeeded, "reason": reason}] if reason else []
        spec = {"datasets": [{"name": "mnist"}]}
        self.put(names.TRAINING_RUN_KIND, name, meta=meta, spec=spec, status={"conditions": said})

    def child(self, kind: str, run: str = "r1", *, status: dict[str, Any] | None = None, **meta: Any) -> None:
        marks = {"labels": {names.OWNER_UID: f"uid-{run}", names.OWNER_KIND: names.TRAINING_RUN_KIND}}
        self.put(kind, f"{run}-{kind.lower()}", meta={**marks, **meta}, status=status or {})

    @property
    def users(self) -> tuple[str, ...]:
        return find_users(self.cache, self.holds, a_dataset(), NOW)


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.mark.parametrize("reason", ["", "DatasetNotReady", "Suspended"])
def test_a_run_that_waits_for_data_or_is_suspended_uses_nothing(lab: Lab, reason: str) -> None:
    lab.run(reason=reason)
    assert lab.users == ()
    lab.child("Job")
    assert lab.users == ("r1",)  # whatever its status says


@pytest.mark.parametrize("reason", ["Pending", "Starting", "Running", "Restarting", "WaitingForQuota"])
def test_a_run_that_has_begun_uses_it_even_between_two_jobs(lab: Lab, reason: str) -> None:
    lab.run(reason=reason)
    assert lab.users == ("r1",)


@pytest.mark.parametrize("succeeded", ["True", "False"])
def test_a_run_that_is_over_uses_nothing(lab: Lab, succeeded: str) -> None:
    lab.run(reason="Completed", succeeded=succeeded)
    lab.child("Job", status={"conditions": [{"type": "Complete", "status": "True"}]})
    assert lab.users == ()


def test_a_run_between_finalizer_and_job_counts(lab: Lab) -> None:
    lab.run()
    lab.holds.begin("uid-r1", [UID])
    assert lab.users == ("r1",)
    lab.holds.end("uid-r1")
    assert lab.users == ()


def test_a_suspended_run_counts_until_its_pod_has_stopped(lab: Lab) -> None:
    lab.run(reason="Suspended")
    lab.child("Job", deletionTimestamp=rfc3339(before(1)))
    assert lab.users == ()
    lab.child("Pod", status=RUNNING_POD, deletionTimestamp=rfc3339(NOW + timedelta(seconds=25)))
    assert lab.users == ("r1",)
    lab.child("Pod", status={"phase": "Failed"})
    assert lab.users == ()


def test_a_deleted_run_with_a_pod_on_a_lost_node_holds_nothing_for_ever(lab: Lab) -> None:
    """A namespace that is being deleted, its pod's node gone, the run kept by somebody's finalizer."""
    lab.run(reason="Running", deletionTimestamp=rfc3339(before(100)))
    lab.holds.begin("uid-r1", [UID])  # a start that the namespace refuses again and again
    lab.child("Job", deletionTimestamp=rfc3339(before(90)))
    lab.child("Pod", status=RUNNING_POD, deletionTimestamp=rfc3339(before(60)))
    assert lab.users == ()


def test_namesakes_elsewhere_and_other_data_sets_do_not_count(lab: Lab) -> None:
    lab.run("far", "Running", namespace="elsewhere")
    lab.put(names.TRAINING_RUN_KIND, "other", spec={"datasets": [{"name": "cifar"}]})
    assert lab.users == ()


def test_the_oldest_come_first(lab: Lab) -> None:
    lab.run("b", "Running", creationTimestamp=rfc3339(before(50)))
    lab.run("a", "Running", creationTimestamp=rfc3339(before(5)))
    lab.run("c", "Running", creationTimestamp=rfc3339(before(50)))
    assert lab.users == ("b", "c", "a")


def test_used_by_is_written_when_it_changes_and_at_most_every_five_seconds() -> None:
    many = [f"r{number:02}" for number in range(12)]
    first, again = used_by(a_dataset(), many, NOW)
    assert first == {"count": 12, "names": many[:NAMED], "lastUpdatedTime": rfc3339(NOW)}
    assert again is None
    known = a_dataset(status=a_status("Sealed", usedBy=first))
    assert used_by(known, many, NOW) == (first, None)
    assert used_by(known, many[:1], NOW + timedelta(seconds=2)) == (first, 3.0)
    later = NOW + timedelta(seconds=5)
    assert used_by(known, [], later) == ({"count": 0, "names": [], "lastUpdatedTime": rfc3339(later)}, None)


def test_a_data_set_that_was_never_used_says_nothing() -> None:
    assert used_by(a_dataset(), [], NOW) == (None, None)
    assert mark(a_dataset(), [], NOW) == (None, None)


def test_the_finalizer_goes_a_while_after_the_last_run() -> None:
    recent = {"usedBy": {"count": 0, "names": [], "lastUpdatedTime": rfc3339(before(10))}}
    old = {"usedBy": {"count": 0, "names": [], "lastUpdatedTime": rfc3339(before(31))}}
    assert mark(a_dataset(meta=HELD, status=a_status("Sealed", **recent)), [], NOW) == (None, 20.0)
    assert mark(a_dataset(meta=HELD, status=a_status("Sealed", **old)), [], NOW) == (False, None)
    assert mark(a_dataset(meta=HELD), ["r1"], NOW) == (None, None)
    assert mark(a_dataset(), ["r1"], NOW) == (True, None)  # somebody took it off


def test_a_deleted_data_set_waits_says_so_once_and_goes(lab: Lab) -> None:
    kind = DatasetKind(a_world(), lab.cache, lab.holds)
    lab.run(reason="Running")
    body = a_body(meta=LEAVING | HELD, status=a_status("Sealed"))
    step, changes = kind.plan(body, NOTHING, NOW)
    ready = next(c for c in changes["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "InUse")
    assert "r1" in ready["message"]
    assert changes["usedBy"]["names"] == ["r1"]
    assert deeds(step) == ["warn InUse"]
    body["status"] |= changes
    assert deeds(kind.plan(body, NOTHING, NOW)[0]) == []
    assert kind.plan(body, NOTHING, NOW)[1] == {}
    lab.run(reason="Completed", succeeded="True")
    step, changes = kind.plan(body, NOTHING, NOW)
    assert (deeds(step), changes) == (["in use off"], {})  # nothing to erase: it goes with this write


def test_a_spec_that_cannot_be_understood_is_no_way_around(lab: Lab) -> None:
    kind = DatasetKind(a_world(), lab.cache, lab.holds)
    lab.run(reason="Running")
    body = a_body(meta=LEAVING | HELD, status=a_status("Sealed"))
    body["spec"] = {"source": {"nonsense": {}}}
    assert deeds(kind.plan(body, NOTHING, NOW)[0]) == ["warn InUse"]
    lab.run(reason="Completed", succeeded="True")
    assert deeds(kind.plan(body, NOTHING, NOW)[0]) == ["in use off"]


def test_a_change_of_a_run_concerns_the_data_sets_it_reads(lab: Lab) -> None:
    kind = DatasetKind(a_world(), lab.cache, lab.holds)
    lab.cache.upsert(names.DATASET_KIND, a_body())
    lab.run()
    (run,) = lab.cache.all(names.TRAINING_RUN_KIND)
    assert list(kind.interested(names.TRAINING_RUN_KIND, run)) == [(names.DATASET_KIND, UID)]
