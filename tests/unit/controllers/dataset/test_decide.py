"""controllers/dataset/decide.py: every rule, as a table of situations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blueno.resources.work import Work
from controllers.dataset.case import Case
from controllers.dataset.decide import MAX_SILENT_ATTEMPTS, RULES, START_PATIENCE, decide
from controllers.dataset.work import wanted_work
from controllers.pods import PodView
from controllers.step import Step
from tests.make import (
    CLAIM,
    NOW,
    OPENING,
    OTHER,
    UPLOAD,
    a_claim,
    a_dataset,
    a_job,
    a_pod,
    a_report,
    a_status,
    a_volume,
    a_world,
    an_ended_pod,
    an_open_status,
    before,
    failed_outcome,
    observed,
    open_outcome,
    sealed_outcome,
    stalled,
)
from tests.unit.controllers.dataset.steps import deeds, flags
from tests.unit.controllers.dataset.storage_rows import (
    ALLOWED,
    CLAIM_SOURCE,
    FAILED,
    J1,
    J2,
    NFS,
    OLD,
    RUNNING,
    SEALED,
    STORAGE_ROWS,
    Row,
    job,
)

SEAL = Work(UPLOAD, OPENING.layout, requested_at="t1")
UPLOADS = {"source": UPLOAD}
OPEN = {**UPLOADS, "status": an_open_status()}
LOST = [{"type": "Ready", "status": "False", "reason": "VolumeLost", "message": ""}]
LIMIT = MAX_SILENT_ATTEMPTS


def a_pod_out_of_memory(name: str = "pod-1") -> PodView:
    return an_ended_pod(name=name, out_of_memory=True, exit_code=137)


ROWS = [
    *STORAGE_ROWS,
    # work_is_done
    Row("a sealed work is Ready and nothing is done", {"status": SEALED}, {}, "Available", "ready", says="70000"),
    Row("a sealed work stays Ready when its Job is gone bad", {"status": SEALED}, job(state="failed"), "Available",
        "ready"),
    Row("a suspended Dataset with a sealed version is Ready", {"status": SEALED, "suspend": True}, {}, "Available",
        "ready"),
    # work_has_failed
    Row("a failure stands as it was said", {"status": FAILED}, {}, "ChecksumMismatch", "stalled", says="abc is not"),
    Row("a failure whose words were lost still says what to do", {"status": a_status("Failed")}, {}, "PrepFailed",
        "stalled", says="requested-at"),
    Row("a claim that was lost for a while is not blamed for ever",
        {"status": a_status("Failed", conditions=[stalled("VolumeLost", "claim is gone")])}, {}, "PrepFailed",
        "stalled", says="requested-at"),
    # dataset_is_suspended
    Row("nothing is started while suspended", {"suspend": True}, {}, "Suspended", ""),
    Row("a running Job is suspended", {"suspend": True, "status": RUNNING}, job(), "Suspended", "reconciling",
        [f"patch Job {J1} {{'spec': {{'suspend': True}}}}"]),
    Row("a suspended Job stays so", {"suspend": True, "status": RUNNING}, job(suspended=True), "Suspended", ""),
    Row("a seal counts though the Dataset was suspended meanwhile", {"suspend": True, "status": RUNNING},
        job(state="complete", said=sealed_outcome()), "Available", "ready"),
    Row("suspended with a changed spec, the earlier work stops too", {"suspend": True, "status": a_status(work=OTHER)},
        job(1, OTHER), "Preparing", "reconciling", [f"delete Job {OLD}"]),
    # source_claim_is_missing
    Row("a source's claim is waited for", CLAIM_SOURCE, {}, "WaitingForVolume", "reconciling", says="claim photos"),
    # earlier_work_still_runs
    Row("a changed spec stops the earlier work", {"status": a_status(work=OTHER)}, job(1, OTHER), "Preparing",
        "reconciling", [f"delete Job {OLD}"]),
    Row("an ended Job of an earlier work is left alone", {"status": a_status("Sealed", work=OTHER)},
        job(1, OTHER, state="complete", said=sealed_outcome()), "Preparing", "reconciling", [f"apply Job {J2}"],
        again_in=0),
    # job_is_outdated
    Row("a changed spec.prepare replaces the running Job", {"status": RUNNING, "prepare": {"backoffLimit": 9}}, job(),
        "Preparing", "reconciling", [f"delete Job {J1}"], "spec.prepare was changed"),
    Row("a changed spec.prepare gives a failed Job a successor", {"status": RUNNING, "prepare": {"backoffLimit": 9}},
        job(state="failed", said=failed_outcome()), "Preparing", "reconciling", [f"apply Job {J2}"], again_in=0),
    Row("a changed TTL replaces nothing", {"status": RUNNING, "prepare": {"ttlSecondsAfterFinished": 60}}, job(),
        "Preparing", "reconciling"),
    Row("a changed spec.prepare does not undo a seal", {"status": RUNNING, "prepare": {"backoffLimit": 9}},
        job(said=sealed_outcome()), "Available", "ready"),
    Row("another image helps a pod that cannot start", {"status": RUNNING},
        job(pods=(a_pod(phase="Pending", started=False, trouble="image"),)), "Preparing", "reconciling",
        [f"delete Job {J1}"], config={"prep_image": "example.org/prep:2"}),
    Row("another image leaves a pod that works alone", {"status": RUNNING}, job(), "Preparing", "reconciling",
        config={"prep_image": "example.org/prep:2"}),
    # job_has_not_started
    Row("the first attempt", {}, {}, "Pending", "reconciling", [f"apply Job {J1}"], "attempt 1", 0),
    Row("it is started while its claim is Pending: its pod is what binds it", {},
        {"claim": a_claim(phase="Pending")}, "Pending", "reconciling", [f"apply Job {J1}"], again_in=0),
    Row("the next attempt on request", {"status": FAILED, "requested_at": "t1"},
        job(state="failed", said=failed_outcome()), "Preparing", "reconciling", [f"apply Job {J2}"], "attempt 2", 0),
    Row("the next attempt on a changed spec", {"status": FAILED, "meta": {"generation": 2}}, {}, "Preparing",
        "reconciling", [f"apply Job {J2}"], "attempt 2", 0),
    Row("nothing starts beside a pod of an earlier work", {"status": a_status(work=OTHER)},
        {"stray_pods": (a_pod(deleted=before(-10)),)}, "Preparing", "reconciling", says="pod", again_in=5),
    Row("a lost node's pod is not waited for", {"status": a_status(work=OTHER)},
        {"stray_pods": (a_pod(deleted=before(60)),)}, "Preparing", "reconciling", [f"apply Job {J2}"], again_in=0),
    # job_has_sealed
    Row("a seal is Ready at once", {"status": RUNNING}, job(state="complete", said=sealed_outcome()), "Available",
        "ready", says="70000 samples is sealed"),
    Row("a seal counts before the Job says so", {"status": RUNNING}, job(said=sealed_outcome()), "Available", "ready"),
    Row("a seal counts even when the Job failed", {"status": RUNNING}, job(state="failed", said=sealed_outcome()),
        "Available", "ready"),
    Row("left-out samples are told", {"status": RUNNING}, job(said=sealed_outcome(bad_samples=3)), "Available",
        "ready", says="3 bad samples"),
    # job_is_gone
    Row("a deleted Job is followed by the next attempt", {"status": RUNNING}, {}, "Preparing", "reconciling",
        [f"confirm Job {J1}", f"apply Job {J2}"], again_in=0),
    Row("a Job in deletion is waited for", {"status": RUNNING}, job(state="deleting"), "Preparing", "reconciling",
        says="being deleted"),
    Row("a deleted Job's pod is waited for", {"status": RUNNING}, {"stray_pods": (a_pod(),)}, "Preparing",
        "reconciling", says="pod", again_in=5),
    Row("a Job complete without a word is followed by the next", {"status": RUNNING},
        job(state="complete", pods=(an_ended_pod(exit_code=0),)), "Preparing", "reconciling",
        [f"confirm Job {J1}", f"apply Job {J2}"], again_in=0),
    Row("attempts without a word end some time", {"status": a_status(attempt=LIMIT)}, {}, "PrepFailed", "stalled",
        says="example.org/prep:1"),
    # job_has_failed
    Row("what the pod said is the reason", {"status": RUNNING}, job(state="failed", said=failed_outcome("NoSpace")),
        "NoSpace", "stalled", says="what happened"),
    Row("a failure for good counts before the Job's own status says so", {"status": RUNNING},
        job(said=failed_outcome(permanent=True)), "ChecksumMismatch", "stalled"),
    Row("a source that does not answer is tried for ever", {"status": RUNNING},
        job(state="failed", said=failed_outcome("SourceUnavailable")), "Preparing", "reconciling",
        [f"apply Job {J2}"], again_in=0),
    Row("a directory of a Dataset that is gone is adopted", {"status": RUNNING},
        {**job(state="failed", said=failed_outcome("AdoptionMismatch", owner="u")), "gone_owner": "u"}, "Preparing",
        "reconciling", [f"apply Job {J2}"], again_in=0),
    Row("also on an export, by its subPath", {"status": RUNNING},
        {**job(state="failed", said=failed_outcome("AdoptionMismatch", owner="u")), "gone_owner": "u",
         "storage": replace(NFS, sub_path="lab/old-0a1b2c3d"), "volume": a_volume()}, "Preparing", "reconciling",
        [f"apply Job {J2}"], again_in=0, config=ALLOWED),
    Row("a directory of a living Dataset is not", {"status": RUNNING},
        job(state="failed", said=failed_outcome("AdoptionMismatch", owner="u")), "AdoptionMismatch", "stalled"),
    Row("the deadline", {"status": RUNNING}, job(state="failed", failure="DeadlineExceeded", pods=()),
        "DeadlineExceeded", "stalled", [f"confirm Job {J1}"], "activeDeadlineSeconds"),
    Row("memory", {"status": RUNNING},
        job(state="failed", pods=tuple(a_pod_out_of_memory(f"pod-{number}") for number in (1, 2))),
        "PrepOutOfMemory", "stalled", [f"confirm Job {J1}"], "more memory than 4Gi, 2 times: raise spec.prepare"),
    Row("memory at last, after other trouble", {"status": RUNNING},
        job(state="failed", pods=(an_ended_pod(failed_outcome("SourceUnavailable")),
                                  an_ended_pod(name="pod-2", out_of_memory=True, exit_code=137))),
        "PrepOutOfMemory", "stalled", [f"confirm Job {J1}"]),
    Row("a pod that said nothing", {"status": RUNNING}, job(state="failed", pods=(an_ended_pod(exit_code=2),)),
        "PrepFailed", "stalled", [f"confirm Job {J1}"], "exit code 2"),
    Row("a Job whose pods are gone", {"status": RUNNING}, job(state="failed", pods=()), "PrepFailed", "stalled",
        [f"confirm Job {J1}"], "no exit code"),
    # uploads_are_open
    Row("an upload's first attempt opens its volume", UPLOADS, {}, "Pending", "reconciling",
        [f"apply Job {a_job(1, OPENING).name}"], "attempt 1", 0),
    Row("a volume that was opened is ready for samples", {**UPLOADS, "status": a_status(work=OPENING)},
        job(1, OPENING, state="complete", said=open_outcome()), "AcceptingUploads", "ready", says="dataset seal mnist"),
    Row("and stays so", OPEN, {}, "AcceptingUploads", "ready", says="samples can be added"),
    Row("one that cannot be written says so", {**UPLOADS, "status": a_status(work=OPENING)},
        job(1, OPENING, state="failed", said=failed_outcome("VolumePermissionDenied", "mounted read-only")),
        "VolumePermissionDenied", "stalled", says="read-only"),
    Row("a request is a seal", {**OPEN, "requested_at": "t1"}, {}, "Preparing", "reconciling",
        [f"apply Job {a_job(2, SEAL).name}"], "attempt 2", 0),
    Row("suspended, it is ready for samples all the same", {**OPEN, "suspend": True}, {}, "AcceptingUploads", "ready"),
    Row("suspended, it does not seal", {**OPEN, "suspend": True, "requested_at": "t1"}, {}, "Suspended", ""),
    Row("a request that has waited for the end of a work is looked at then",
        {**UPLOADS, "requested_at": "t1", "status": a_status(work=OPENING)},
        job(1, OPENING, state="complete", said=open_outcome()), "AcceptingUploads", "ready", again_in=0),
    Row("a seal of nothing", {**UPLOADS, "status": a_status("", 2, SEAL, working={"accepts": True})},
        job(2, SEAL, state="complete", said=open_outcome()), "AcceptingUploads", "ready", says="found none"),
    Row("a seal of nothing keeps the version there is",
        {**UPLOADS, "status": {**a_status("Sealed", 2, SEAL), "work": {"hash": SEAL.hash, "attempt": 2,
                                                                     "outcome": "Open", "requestedAt": "t1"}}},
        {}, "Available", "ready", says="nothing changed"),
    Row("added samples are never lost silently", OPEN, {"claim": None}, "VolumeLost", "stalled",
        says="which held the added samples"),
    Row("a seal that was asked for before is no leave to forget them", {**OPEN, "requested_at": "t1"},
        {"claim": None}, "VolumeLost", "stalled"),
    Row("on request it begins without them",
        {**UPLOADS, "status": an_open_status(conditions=LOST), "requested_at": "t2"}, {"claim": None}, "Provisioning",
        "reconciling", [f"apply PersistentVolumeClaim {CLAIM}"], again_in=0),
    Row("another claim of the same name is looked at by an attempt",
        {**UPLOADS, "status": an_open_status(volume={"claimUID": "of-old"})}, {}, "Preparing", "reconciling",
        [f"apply Job {a_job(2, OPENING).name}"], "was replaced", again_in=0),
    # job_is_suspended
    Row("a suspended Job goes on", {"status": RUNNING}, job(suspended=True, pods=()), "Preparing", "reconciling",
        [f"patch Job {J1} {{'spec': {{'suspend': False}}}}"]),
    # pod_is_in_trouble
    Row("image", {"status": RUNNING},
        job(pods=(a_pod(phase="Pending", started=False, trouble="image", detail="not found"),)),
        "ImagePullFailed", "reconciling", says="example.org/prep:1: not found"),
    Row("no node", {"status": RUNNING},
        job(pods=(a_pod(phase="Pending", started=False, trouble="unschedulable", detail="0/3 nodes"),)),
        "Unschedulable", "reconciling", says="0/3 nodes"),
    Row("container", {"status": RUNNING},
        job(pods=(a_pod(phase="Pending", started=False, trouble="container", detail="CreateContainerError: x"),)),
        "PrepFailed", "reconciling", says="CreateContainerError"),
    Row("no node because of a claim is the claim's matter", {"status": RUNNING},
        {**job(pods=(a_pod(phase="Pending", started=False, trouble="unschedulable",
                           detail="pod has unbound immediate PersistentVolumeClaims"),)),
         "claim": a_claim(phase="Pending", created=before(600))}, "WaitingForVolume", "reconciling", says="standard"),
    # job_is_running
    Row("a Job without a pod for a moment", {"status": RUNNING}, job(pods=(), created=before(4)), "Pending",
        "reconciling", says="waiting", again_in=START_PATIENCE - 4),
    Row("a Job without a pod for long: Events are asked", {"status": RUNNING}, job(pods=()), "Pending", "reconciling",
        [f"ask Job {J1}"], "waiting", again_in=2 * START_PATIENCE),
    Row("a pod that does not start: Events are asked", {"status": RUNNING}, job(pods=(a_pod(started=False),)),
        "Pending", "reconciling", ["ask Pod pod-1"], "waiting", again_in=2 * START_PATIENCE),
    Row("a running pod that has not reported", {"status": RUNNING}, job(), "Preparing", "reconciling", says="running"),
    Row("a report is what is shown", {"status": RUNNING}, {**job(), "progress": a_report()}, "Preparing",
        "reconciling", says="28000 of 70000 samples"),
    Row("a download in bytes", {"status": RUNNING},
        {**job(), "progress": a_report("Downloading", bytes_done=52 << 20, bytes_total=1 << 30)}, "Downloading",
        "reconciling", says="52 MiB of 1.0 GiB"),
    Row("a waiting pod says for what", {"status": RUNNING},
        {**job(), "progress": a_report(waiting_code="SourceUnavailable", waiting_message="503")},
        "SourceUnavailable", "reconciling", says="503"),
    Row("a pod without room says how much is missing", {"status": RUNNING},
        {**job(), "progress": a_report("WaitingForSpace", needed_bytes=3 << 29, free_bytes=300 << 20)},
        "WaitingForSpace", "reconciling", says="needs 1.5 GiB, 300 MiB are free"),
    Row("another attempt's report is not ours", {"status": RUNNING}, {**job(), "progress": a_report(attempt=7)},
        "Preparing", "reconciling", says="running"),
    Row("after a restart the stage stays as it was", {"status": a_status(progress={"stage": "Publishing"})}, job(),
        "Publishing", "reconciling"),
    Row("a pod that failed is replaced", {"status": RUNNING}, job(said=failed_outcome("NoSpace", "disk full")),
        "NoSpace", "reconciling", says="disk full; it will be tried again"),
    Row("a silent node's pod is waited for, whatever was heard of it",
        {"status": RUNNING}, {**job(pods=(a_pod(lost=True),)), "progress": a_report()}, "NodeLost", "reconciling", [],
        "kubectl taint nodes node-1 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"),
    Row("a pod killed for memory is replaced", {"status": RUNNING},
        job(pods=(a_pod_out_of_memory(),)), "PrepOutOfMemory", "reconciling", [],
        "more memory than 4Gi: raise spec.prepare.resources.limits.memory; it will be tried again"),
    Row("a silent pod is replaced", {"status": RUNNING}, job(pods=(an_ended_pod(),)), "Preparing", "reconciling",
        says="pod-1 ended without a result"),
    Row("a dead pod's last report does not speak for it", {"status": RUNNING},
        {**job(pods=(an_ended_pod(),)), "progress": a_report()}, "Preparing", "reconciling",
        says="pod-1 ended without a result"),
]  # fmt: skip


def decided(row: Row) -> Step:
    dataset, seen = a_dataset(**row.dataset), observed(**row.seen)
    wanted = wanted_work(dataset, seen.jobs)
    return decide(Case(dataset, seen, wanted, a_world(**row.config), NOW))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.when)
def test_decide(row: Row) -> None:
    step = decided(row)
    assert (step.reason, flags(step), deeds(step)) == (row.reason, row.flag, row.does), step.message
    assert row.says in step.message
    assert step.again_in == row.again_in


def test_every_rule_speaks_somewhere_in_the_table() -> None:
    silent = {rule.__name__ for rule in RULES}
    for row in ROWS:
        dataset, seen = a_dataset(**row.dataset), observed(**row.seen)
        case = Case(dataset, seen, wanted_work(dataset, seen.jobs), a_world(**row.config), NOW)
        silent.discard(next(rule.__name__ for rule in RULES if rule(case) is not None))
    assert silent == set()
