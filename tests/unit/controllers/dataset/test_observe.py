"""controllers/dataset/observe.py and pods.py: from objects in the cache to plain words."""

from __future__ import annotations

from typing import Any

import pytest

from blueno import names
from blueno.config import OperatorConfig
from controllers.cache import Cache
from controllers.dataset.observe import Observed, observe
from controllers.heard import NOTHING
from controllers.pods import view_pod
from tests.make import CLAIM, NOW, UID, WORK, a_body, a_dataset, a_pod, before, failed_outcome, sealed_outcome

MARKS = {names.MANAGED: "true", names.OWNER_UID: UID}


def a_thing(name: str, labels: dict[str, str] | None = None, uid: str = "", **more: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "lab", "uid": uid or f"uid-{name}", "resourceVersion": "1"}
    return {"metadata": {**meta, "labels": MARKS if labels is None else labels}, "spec": {}, "status": {}, **more}


def job_body(attempt: int = 1, uid: str = "", **status: Any) -> dict[str, Any]:
    marks = MARKS | {names.WORK_LABEL: WORK.hash, names.ATTEMPT_LABEL: str(attempt)}
    return a_thing(f"job-{attempt}", marks, uid, status=status)


def pod_body(job: str, name: str, created: str = "2026-03-01T11:00:00Z", **status: Any) -> dict[str, Any]:
    body = a_thing(name, status=status)
    body["metadata"] |= {"ownerReferences": [{"uid": f"uid-{job}"}], "creationTimestamp": created}
    return body


def ended(message: str = "", code: int = 1, **more: Any) -> dict[str, Any]:
    terminated = {"exitCode": code, "message": message, **more}
    return {"phase": "Failed" if code else "Succeeded", "containerStatuses": [{"state": {"terminated": terminated}}]}


def seen(*things: tuple[str, dict[str, Any]], **spec: Any) -> Observed:
    cache = Cache()
    cache.upsert("Dataset", a_body(**spec))
    for kind, body in things:
        cache.upsert(kind, body)
    return observe(cache, a_dataset(**spec), OperatorConfig(), NOTHING)


def test_nothing_is_there() -> None:
    found = seen()
    assert (found.claim, found.jobs, found.erase_job, found.stray_pods) == (None, (), None, ())
    assert found.storage.kind == "claimTemplate"


@pytest.mark.parametrize(
    ("status", "meta", "state"),
    [
        ({}, {}, "active"),
        ({"active": 1}, {}, "active"),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, {}, "complete"),
        ({"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}, {}, "failed"),
        ({"conditions": [{"type": "FailureTarget", "status": "True"}]}, {}, "active"),
        ({"conditions": [{"type": "Failed", "status": "False"}]}, {}, "active"),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, {"deletionTimestamp": "x"}, "deleting"),
    ],
)
def test_state_of_a_job(status: dict[str, Any], meta: dict[str, Any], state: str) -> None:
    body = job_body(**status)
    body["metadata"] |= meta
    (job,) = seen(("Job", body)).jobs
    assert (job.state, job.attempt, job.work) == (state, 1, WORK.hash)
    assert job.failure == ("DeadlineExceeded" if state == "failed" else "")


def test_pods_belong_to_their_job_in_the_order_they_were_made() -> None:
    found = seen(
        ("Job", job_body(1)),
        ("Pod", pod_body("job-1", "b", "2026-03-01T11:00:01Z")),
        ("Pod", pod_body("job-1", "a", "2026-03-01T11:00:02Z")),
        ("Pod", pod_body("job-gone", "stray")),
        ("Pod", a_thing("foreign", {})),
    )
    assert [pod.name for pod in found.jobs[0].pods] == ["b", "a"]
    assert [pod.name for pod in found.stray_pods] == ["stray"]
    assert {pod.name for pod in found.pods()} == {"a", "b", "stray"}


def test_the_erase_job_and_its_pods_are_no_preparation() -> None:
    found = seen(("Job", a_thing("erase")), ("Pod", pod_body("erase", "e")))
    assert found.jobs == found.stray_pods == ()
    assert found.erase_job is not None
    assert found.erase_job.pods[0].name == "e"


@pytest.mark.parametrize(
    ("pods", "said"),
    [
        ([], None),
        ([ended(failed_outcome("NoSpace").to_json())], "NoSpace"),
        ([ended(failed_outcome("NoSpace").to_json()), ended(failed_outcome("PrepFailed").to_json())], "PrepFailed"),
        ([ended(failed_outcome("NoSpace").to_json()), ended()], None),
        ([ended(failed_outcome("NoSpace").to_json()), {"phase": "Running"}], "NoSpace"),
        ([ended(sealed_outcome().to_json(), 0), ended(failed_outcome().to_json())], "sealed"),
        ([ended("not json")], None),
    ],
    ids=["none", "one", "latest", "a silent latest", "a running latest", "sealed", "nonsense"],
)
def test_what_a_jobs_pods_came_to(pods: list[dict[str, Any]], said: str | None) -> None:
    bodies = [("Pod", pod_body("job-1", f"p{n}", f"2026-03-01T11:00:0{n}Z", **s)) for n, s in enumerate(pods)]
    (job,) = seen(("Job", job_body(1)), *bodies).jobs
    assert (job.outcome and (job.outcome.code or "sealed")) == said


def test_a_gone_owner_is_one_that_is_nowhere() -> None:
    says = ended(failed_outcome("AdoptionMismatch", owner="other-uid").to_json())
    things = [("Job", job_body(1)), ("Pod", pod_body("job-1", "p", **says))]
    assert seen(*things).gone_owner == "other-uid"
    assert seen(*things, ("Dataset", a_body("old", uid="other-uid"))).gone_owner == ""


def test_claims_of_earlier_datasets_of_this_name() -> None:
    marks = {names.DATASET_LABEL: "mnist", names.ROLE_LABEL: names.ROLE_DATA, names.OWNER_UID: "older"}
    deleting = a_thing("mnist-3", marks)
    deleting["metadata"]["deletionTimestamp"] = "x"
    claims = [
        a_thing("mnist-2", marks),
        a_thing("mnist-1", marks),
        a_thing("mnist-own", marks | {names.OWNER_UID: UID}),
        a_thing("cifar-1", marks | {names.DATASET_LABEL: "cifar"}),
        deleting,
    ]
    assert seen(*(("PersistentVolumeClaim", claim) for claim in claims)).kept_claims == ("mnist-1", "mnist-2")


def test_a_kept_claim_that_leads_to_a_server_is_no_data() -> None:
    """The sweep is about to remove it."""
    marks = {names.DATASET_LABEL: "mnist", names.ROLE_LABEL: names.ROLE_DATA, names.OWNER_UID: "older"}
    static = a_thing("mnist-1", marks, spec={"volumeName": names.volume_name("older")})
    bound = a_thing("mnist-2", marks, spec={"volumeName": "pvc-1234"})
    assert seen(("PersistentVolumeClaim", static), ("PersistentVolumeClaim", bound)).kept_claims == ("mnist-2",)


def test_a_volume_in_words() -> None:
    assert seen().volume is None
    body = a_thing(names.volume_name(UID), spec={"claimRef": {"name": CLAIM, "namespace": "lab"}})
    del body["metadata"]["namespace"]
    found = seen(("PersistentVolume", body)).volume
    assert found is not None
    assert (found.name, found.claim_uid, found.deleting) == (names.volume_name(UID), "", False)
    body["spec"]["claimRef"]["uid"] = "c"
    body["metadata"]["deletionTimestamp"] = "x"
    found = seen(("PersistentVolume", body)).volume
    assert found is not None
    assert (found.claim_uid, found.deleting) == ("c", True)


def test_a_claim_in_words() -> None:
    body = a_thing(CLAIM, spec={"storageClassName": "fast", "resources": {"requests": {"storage": "20Gi"}}})
    body["status"] = {"phase": "Bound", "capacity": {"storage": "10Gi"}}
    claim = seen(("PersistentVolumeClaim", body)).claim
    assert claim is not None
    assert (claim.phase, claim.storage_class, claim.capacity, claim.requested) == ("Bound", "fast", "10Gi", "20Gi")


def test_a_foreign_claim_of_our_name_is_not_ours() -> None:
    found = seen(("PersistentVolumeClaim", a_thing(CLAIM, {})))
    assert (found.claim, found.name_taken) == (None, True)
    theirs = seen(("PersistentVolumeClaim", a_thing("photos", {})), storage={"existingClaim": {"name": "photos"}})
    assert (theirs.claim is not None, theirs.name_taken) == (True, False)


def waiting(reason: str, message: str = "m") -> dict[str, Any]:
    return {"containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}]}


@pytest.mark.parametrize(
    ("status", "trouble", "detail"),
    [
        ({}, "", ""),
        (waiting("ContainerCreating"), "", ""),
        (waiting("ImagePullBackOff", "not found"), "image", "not found"),
        (waiting("ErrImageNeverPull", ""), "image", "ErrImageNeverPull"),
        (waiting("CreateContainerConfigError"), "container", "CreateContainerConfigError: m"),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3"}]}, "unschedulable", "0/3"),
        ({"conditions": [{"type": "PodScheduled", "status": "True"}]}, "", ""),
    ],
)
def test_trouble_of_a_pod(status: dict[str, Any], trouble: str, detail: str) -> None:
    pod = view_pod(pod_body("job-1", "p", **status))
    assert (pod.trouble, pod.detail, pod.started) == (trouble, detail, False)


def test_how_a_pod_ended() -> None:
    pod = view_pod(pod_body("job-1", "p", **ended(code=137, reason="OOMKilled")))
    assert (pod.ended, pod.started, pod.out_of_memory, pod.exit_code, pod.outcome) == (True, True, True, 137, None)


def test_which_pods_may_still_write() -> None:
    assert a_pod().may_write(NOW)
    assert not a_pod(phase="Failed").may_write(NOW)
    assert a_pod(deleted=before(19)).may_write(NOW)
    assert not a_pod(deleted=before(21)).may_write(NOW)
