"""controllers/kueue.py: a Job's Workload, with and without Kueue, on a fake API server."""

from __future__ import annotations

import pytest

from blueno import names
from blueno.kube import Cluster
from blueno.resources.api import JOBS
from controllers.kueue import ABSENT_SECONDS, BELIEVED_SECONDS, FORGOTTEN_SECONDS, Workloads
from controllers.step import Ref
from tests.fakes.api_server import ApiServer
from tests.unit.controllers.training_run.kueue import a_workload, condition

JOB = Ref(JOBS, "lab", "train-1-a1", "uid-job")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workloads(cluster: Cluster, clock: Clock) -> Workloads:
    return Workloads(cluster, clock)


def put(api: ApiServer, reason: str, uid: str = "uid-job", name: str = "one", namespace: str = "lab") -> None:
    body = a_workload(condition("QuotaReserved", "False", reason))
    body["metadata"] = {"name": name, "namespace": namespace, "labels": {names.KUEUE_JOB_LABEL: uid}}
    api.put(body)


async def said(workloads: Workloads, job: Ref = JOB) -> str:
    """The reason of the Workload's only condition."""
    admission = await workloads.of(job)
    assert admission.installed
    return admission.workload.conditions[0].reason if admission.workload is not None else ""


async def test_the_workload_of_this_very_job(workloads: Workloads, api: ApiServer) -> None:
    put(api, "Mine")
    put(api, "Others", "uid-other", "two")
    put(api, "Elsewhere", "uid-job", "one", "another")
    assert await said(workloads) == "Mine"
    (seen,) = api.requests
    assert seen.path == "/apis/kueue.x-k8s.io/v1beta2/namespaces/lab/workloads"


async def test_no_workload_yet(workloads: Workloads, api: ApiServer, clock: Clock) -> None:
    assert await said(workloads) == ""
    put(api, "Pending")
    clock.now += BELIEVED_SECONDS
    assert await said(workloads) == "Pending"


async def test_without_kueue_nothing_fails_and_it_is_looked_for_again(
    workloads: Workloads, api: ApiServer, clock: Clock
) -> None:
    api.fail = lambda verb, path: 404 if "kueue" in path else None
    for _ in range(5):
        assert (await workloads.of(JOB)).installed is False
    assert len(api.requests) == 2  # once for each version
    api.fail = lambda verb, path: None  # an administrator installs it
    put(api, "Pending")
    clock.now += ABSENT_SECONDS
    assert await said(workloads) == "Pending"


async def test_an_older_kueue_serves_only_the_older_version(workloads: Workloads, api: ApiServer) -> None:
    api.fail = lambda verb, path: 404 if "v1beta2" in path else 503
    admission = await workloads.of(JOB)
    assert admission.installed is None
    assert [seen.path.split("/")[3] for seen in api.requests] == ["v1beta2", "v1beta1"]


@pytest.mark.parametrize("status", [403, 429, 500])
async def test_what_cannot_be_read_is_said_and_does_not_fail(
    workloads: Workloads, api: ApiServer, clock: Clock, status: int
) -> None:
    api.fail = lambda verb, path: status
    admission = await workloads.of(JOB)
    assert (admission.installed, admission.workload) == (None, None)
    assert str(status) in admission.trouble
    api.fail = lambda verb, path: None
    put(api, "Pending")
    clock.now += BELIEVED_SECONDS
    assert await said(workloads) == "Pending"


async def test_many_held_jobs_are_asked_for_more_rarely(workloads: Workloads, api: ApiServer, clock: Clock) -> None:
    jobs = [Ref(JOBS, "lab", f"job-{number}", f"uid-{number}") for number in range(500)]
    for job in jobs:
        await workloads.of(job)
    assert len(api.requests) == 500
    clock.now += 9.9  # 500 Jobs at 50 a second
    for job in jobs:
        await workloads.of(job)
    assert len(api.requests) == 500
    clock.now += 0.2
    await workloads.of(jobs[0])
    assert len(api.requests) == 501
    clock.now += FORGOTTEN_SECONDS + 1
    await workloads.of(jobs[0])
    assert len(workloads._answers) == 1  # those that are held no more take no memory
