"""controllers/dataset/managed.py and nfs.py: what an NFS server needs and what is said of it, as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from blueno import names
from blueno.resources.api import PODS
from controllers.cache import Cache
from controllers.dataset.case import Case
from controllers.dataset.kind import DatasetKind
from controllers.dataset.managed import CLAIM_PATIENCE, START_PATIENCE, server_address, server_step
from controllers.dataset.observe import observe
from controllers.dataset.work import wanted_work
from controllers.heard import NOTHING
from tests.make import NOW, UID, UPLOAD, a_body, a_dataset, a_status, a_world, an_open_status, before, rfc3339, stalled
from tests.unit.controllers.dataset.server_objects import (
    ADDRESS,
    CONFIG,
    LIES_THERE,
    NAME,
    PLACE,
    a_cache,
    claim,
    planned,
    pod,
    runner,
    service,
    unscheduled,
    volume,
)
from tests.unit.controllers.dataset.steps import deeds, flags

SEALED = {"status": a_status("Sealed"), **LIES_THERE}
UPLOADS = {"source": UPLOAD, "status": an_open_status(), **LIES_THERE}
LOST = {"type": "Ready", "status": "False", "reason": "VolumeLost", "message": ""}
FAILED = {"status": a_status("Failed", conditions=[stalled("ChecksumMismatch", "abc is not def")]), **LIES_THERE}
ALL = [f"apply {kind} {NAME}" for kind in ("PersistentVolumeClaim", "Service", "StatefulSet")]
IMAGE = {"reason": "ErrImagePull", "message": "not found"}
ENDED = {"reason": "Error", "exitCode": 1, "message": "first line\nthe NFS server cannot start: no directory\n"}
OTHER = "1b2c3d4e-1111-4222-8333-444455556666"
THEIRS = {"metadata": {"labels": {names.TENANT_NAMESPACE: "other"}}}
GOING = {"metadata": {"deletionTimestamp": rfc3339(before(5))}}


def mate(name: str = "cifar", **changes: Any) -> dict[str, Any]:
    """Another Dataset of the namespace on the same server."""
    return a_body(name, uid=OTHER, **{**LIES_THERE, **changes})


@dataclass(frozen=True)
class Row:
    """What is there, and what is decided: `reason` "" is None, the server serves."""

    when: str
    there: tuple[dict[str, Any] | None, ...]
    reason: str
    flag: str = "reconciling"
    does: list[str] = field(default_factory=list)
    says: str = ""
    again_in: float | None = None
    reachable: bool = False
    dataset: dict[str, Any] = field(default_factory=lambda: LIES_THERE)


def kept(*others: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """All is there, and one thing more."""
    return (claim(), service(), runner(ready=0), *others)


ROWS = [
    Row("it serves", (claim(), service(), runner()), ""),
    # _name_is_taken
    Row("somebody's Service", (service(**THEIRS),), "NameConflict", "stalled", says=f"Service {NAME} in {PLACE}",
        again_in=60),
    Row("somebody's claim", (claim(metadata={"labels": None}), service(), runner()), "NameConflict", "stalled",
        says=f"PersistentVolumeClaim {NAME}", again_in=60),
    # _data_are_lost
    Row("the claim is gone, with our version", (service(), runner()), "VolumeLost", "stalled",
        says=f"claim {NAME} in {PLACE}", dataset=SEALED),
    Row("the claim is gone, with another's version", (service(), runner(), mate(status=a_status("Sealed"))),
        "WaitingForVolume", says="the versions of cifar", reachable=True),
    Row("the claim has lost its volume", (claim("Lost"), service(), runner()), "VolumeLost", "stalled",
        says="has lost its volume", dataset=SEALED),
    Row("or ours is not the one on it", (claim("Lost"), service(), runner()), "WaitingForVolume",
        says="everything on it", reachable=True),
    Row("somebody asks for a new one", (service(), runner()), "Provisioning", does=ALL[:1], again_in=0,
        dataset=SEALED | {"requested_at": "now"}),
    Row("asking without a version does not", (mate(status=a_status("Sealed")),), "WaitingForVolume",
        says="the versions of cifar", reachable=True, dataset=LIES_THERE | {"requested_at": "now"}),
    Row("the claim is gone, with added samples", (service(), runner()), "VolumeLost", "stalled",
        says="begin without the samples", dataset=UPLOADS),
    Row("a seal that was asked for before is no leave to forget them", (service(), runner()), "VolumeLost", "stalled",
        dataset=UPLOADS | {"requested_at": "now"}),
    Row("somebody who was told asks to begin anew", (service(), runner()), "Provisioning", does=ALL[:1], again_in=0,
        dataset=UPLOADS | {"requested_at": "now", "status": an_open_status(conditions=[LOST])}),
    Row("the claim is gone, with samples of another one",
        (service(), runner(), mate(source=UPLOAD, status=an_open_status())), "WaitingForVolume",
        says="the versions of cifar", reachable=True),
    # _data_are_going
    Row("the claim is being deleted: still there", (claim(**GOING), service(), runner()), "VolumeLost", "stalled",
        says="copy what you need now", reachable=True, dataset=SEALED),
    Row("the pod has stopped", (claim(**GOING), service(), runner(ready=0)), "VolumeLost", "stalled", dataset=SEALED),
    Row("nothing is begun on it", (claim(**GOING), service(), runner()), "WaitingForVolume", reachable=True),
    # _parts_are_missing
    Row("nothing is there", (), "Provisioning", does=ALL, says=f"making its NFS server {NAME} in {PLACE}", again_in=0,
        reachable=True),
    Row("the StatefulSet is gone", (claim(), service()), "Provisioning", does=ALL[2:], again_in=0, reachable=True,
        dataset=SEALED),
    Row("the Service is gone", (claim(), runner()), "Provisioning", does=ALL[1:2], again_in=0, reachable=True,
        dataset=SEALED),
    Row("the StatefulSet is going", (claim(), service(), runner(**GOING)), "Provisioning", says="made again then",
        reachable=True),
    # _address_is_another
    Row("the Service was made anew", (claim(), service("10.96.0.9"), runner(), volume()), "WaitingForVolume",
        says=f"names {ADDRESS}", dataset=SEALED),
    Row("a volume of the CSI driver", (claim(), service("10.96.0.9"), runner(),
        volume(csi={"volumeAttributes": {"server": ADDRESS, "share": "/export"}})), "WaitingForVolume",
        says="the address 10.96.0.9"),
    # _has_no_address
    Row("its pod is heard of before its Service's address", (claim(), service(""), runner()), "WaitingForVolume",
        says="has no address yet", reachable=True),
    Row("a Service that somebody made headless", (claim(), service("None"), runner()), "WaitingForVolume",
        says="has no address yet", reachable=True, dataset=FAILED),
    # _is_away
    Row("stopped by somebody", (claim(), service(), runner(ready=0, spec={"replicas": 0})), "WaitingForVolume",
        says=f"kubectl scale statefulset -n {PLACE} {NAME} --replicas=1"),
    Row("stopped, and status is late", (claim(), service(), runner(spec={"replicas": 0})), "WaitingForVolume"),
    Row("image", kept(pod(waiting=IMAGE)), "ImagePullFailed", says="example.org/nfs:1: not found"),
    Row("no node", kept(unscheduled("0/3 nodes: too little memory")), "Unschedulable", says="0/3 nodes: too little"),
    Row("a fresh claim", (claim("Pending", metadata={"creationTimestamp": rfc3339(before(20))}), service(),
        runner(0), unscheduled("pod has unbound immediate PersistentVolumeClaims")), "Provisioning",
        says="is being provisioned", again_in=CLAIM_PATIENCE - 20 + 1, reachable=True),
    Row("an old one", (claim("Pending"), service(), runner(0),
        unscheduled("pod has unbound immediate PersistentVolumeClaims")), "WaitingForVolume",
        does=[f"ask PersistentVolumeClaim {NAME}"], says="storage class fast", again_in=CLAIM_PATIENCE),
    Row("an old one, and the pod has not come", (claim("Pending"), service(), runner(0)), "WaitingForVolume",
        does=[f"ask PersistentVolumeClaim {NAME}"], again_in=CLAIM_PATIENCE),
    Row("a claim that waits for its pod's node", (claim("Pending"), service(), runner(0), unscheduled("0/3 nodes")),
        "Unschedulable", says="0/3 nodes"),
    Row("container", kept(pod(waiting={"reason": "CreateContainerError", "message": "no such device"})),
        "WaitingForVolume", says="no such device"),
    Row("it ends again and again",
        kept(pod(status={"containerStatuses": [
            {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ENDED}}]})),
        "WaitingForVolume", says="(exit code 1: the NFS server cannot start: no directory)"),
    Row("for memory",
        kept(pod(status={"containerStatuses": [
            {"state": {"waiting": {"reason": "CrashLoopBackOff"}},
             "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]})),
        "WaitingForVolume", says="BLUENO_MANAGED_NFS"),
    Row("its node is off", kept(pod(metadata={"deletionTimestamp": rfc3339(before(90))})), "WaitingForVolume",
        says=f"kubectl delete pod -n {PLACE} {NAME}-0 --force"),
    Row("its pod stops", kept(pod(metadata={"deletionTimestamp": rfc3339(before(5))})), "Provisioning",
        says="is starting", again_in=START_PATIENCE - 5, reachable=True),
    Row("it starts", kept(pod(age=4)), "Provisioning", says=f"its NFS server {NAME} in {PLACE} is starting",
        again_in=START_PATIENCE - 4, reachable=True),
    Row("it takes its time: Events are asked", kept(pod(age=30)), "Provisioning", does=[f"ask Pod {NAME}-0"],
        says="is starting", again_in=2 * START_PATIENCE, reachable=True),
    Row("for so long that nobody may count on it", kept(pod(age=61)), "Provisioning", does=[f"ask Pod {NAME}-0"],
        says="is starting", again_in=2 * START_PATIENCE),
    Row("no pod comes", kept(), "Provisioning", does=[f"ask StatefulSet {NAME}"], again_in=2 * START_PATIENCE),
    Row("it is sealed already", kept(pod(age=4)), "Provisioning", again_in=START_PATIENCE - 4, reachable=True,
        dataset=SEALED),
    Row("a failure of the work stands", kept(pod(age=4)), "", dataset=FAILED),
    Row("a suspended Dataset is suspended", kept(pod(age=4)), "", dataset=LIES_THERE | {"suspend": True}),
]  # fmt: skip


def a_case(cache: Cache, **dataset: Any) -> Case:
    body = a_body(**dataset)
    cache.upsert("Dataset", body)
    parsed, world = a_dataset(**dataset), a_world(**CONFIG)
    seen = observe(cache, parsed, world.config, NOTHING)
    return Case(parsed, seen, wanted_work(parsed, seen.jobs), world, NOW)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.when)
def test_what_a_server_needs(row: Row) -> None:
    step = server_step(a_case(a_cache(*row.there), **row.dataset))
    if not row.reason:
        assert step is None
        return
    assert step is not None
    assert (step.reason, flags(step), deeds(step)) == (row.reason, row.flag, row.does), step.message
    assert row.says in step.message
    assert (step.again_in, not step.data_out_of_reach) == (row.again_in, row.reachable)


def test_a_new_claim_makes_the_old_version_go() -> None:
    step = server_step(a_case(a_cache(service(), runner()), **SEALED, requested_at="now"))
    assert step is not None
    assert step.status["version"] is None


def test_a_job_that_has_ended_is_heard_before_the_server_is_back() -> None:
    marks = {names.OWNER_UID: UID, names.ATTEMPT_LABEL: "1"}
    case = a_case(a_cache(*kept(pod())), **LIES_THERE, status=a_status())
    marks[names.WORK_LABEL] = case.wanted.hash
    job = {"kind": "Job", "metadata": {"name": "j", "namespace": "lab", "uid": "j", "labels": marks}, "spec": {}}
    ended = {"conditions": [{"type": "Failed", "status": "True"}]}
    assert server_step(a_case(a_cache(*kept(pod()), {**job, "status": {}}), **LIES_THERE, status=a_status()))
    assert not server_step(a_case(a_cache(*kept(pod()), {**job, "status": ended}), **LIES_THERE, status=a_status()))


def test_the_service_gets_the_address_that_volumes_name() -> None:
    """Of any Dataset of the namespace: the one that makes the Service again may have none itself."""
    step = server_step(a_case(a_cache(claim(), runner(), mate(), volume(OTHER)), **LIES_THERE))
    assert step is not None
    assert step.apply[0]["spec"]["clusterIP"] == ADDRESS
    fresh = server_step(a_case(a_cache(claim(), runner()), **LIES_THERE))
    assert fresh is not None
    assert "clusterIP" not in fresh.apply[0]["spec"]


@pytest.mark.parametrize(("address", "known"), [(ADDRESS, ADDRESS), ("None", "")])
def test_the_address(address: str, known: str) -> None:
    assert server_address(a_case(a_cache(claim(), service(address), runner()), **LIES_THERE).seen) == known


def test_the_largest_size_counts() -> None:
    larger = {"storage": {"managedNFS": {"size": "1Ti"}}}
    others = [
        mate(**larger),
        a_body("else", uid="2", storage={"claimTemplate": {"size": "9Ti"}}),
        a_body("far", uid="3", meta={"namespace": "other"}, storage={"managedNFS": {"size": "9Ti"}}),
        a_body(
            "going", uid="4", meta={"namespace": "lab", **GOING["metadata"]}, storage={"managedNFS": {"size": "9Ti"}}
        ),
        a_body("odd", uid="5", storage={"managedNFS": {"size": "much"}}),
    ]
    case = a_case(a_cache(*others), **LIES_THERE)
    assert case.seen.nfs_server is not None
    assert case.seen.nfs_server.size == "1Ti"
    step = server_step(case)
    assert step is not None
    assert step.apply[0]["spec"]["resources"]["requests"]["storage"] == "1Ti"


def test_ready_stays_while_it_starts_and_goes_when_it_is_in_trouble() -> None:
    _, starting = planned(a_cache(*kept(pod(age=4))), **SEALED)
    _, away = planned(a_cache(*kept(pod(waiting=IMAGE))), **SEALED)
    assert (starting["Ready"]["status"], starting["Reconciling"]["status"]) == ("True", "True")
    assert (away["Ready"]["status"], away["Ready"]["reason"]) == ("False", "ImagePullFailed")


def test_an_upgraded_operator_replaces_the_pod() -> None:
    old = runner(metadata={"labels": {names.TEMPLATE_LABEL: "earlier"}})
    step, _ = planned(a_cache(claim(), service(), old), **SEALED)
    (patch,) = [p for p in step.wish if p.ref.resource.kind == "StatefulSet"]
    assert patch.ref.uid == "uid-StatefulSet"
    assert patch.body["spec"]["template"]["spec"]["containers"][0]["image"] == "example.org/nfs:1"
    assert "replicas" not in patch.body["spec"], "somebody may have stopped it on purpose"
    assert planned(a_cache(claim(), service(), runner()), **SEALED)[0].wish == ()


@pytest.mark.parametrize("config", [{"nfs_image": ""}, {"allow_nfs_volumes": False}])
def test_switched_off_nothing_is_touched(config: dict[str, Any]) -> None:
    old = runner(metadata={"labels": {names.TEMPLATE_LABEL: "earlier"}})
    cache, body = (
        a_cache(claim(), service(), old),
        a_body(status=a_status("Sealed"), storage={"managedNFS": {"size": "50Gi"}}),
    )
    cache.upsert("Dataset", body)
    step, _ = DatasetKind(a_world(**{**CONFIG, **config}), cache).plan(body, NOTHING, NOW)
    assert (step.reason, deeds(step)) == ("StorageNotAllowed", [])


def test_the_claim_that_holds_the_data_is_the_servers() -> None:
    """Ours only leads there: made again it leads to the same data; the server's, replaced, is looked at anew."""
    held = a_status("Sealed", volume={"claimUID": "uid-PersistentVolumeClaim"})
    assert not a_case(a_cache(claim(), service(), runner()), **LIES_THERE, status=held).data_is_gone
    other = claim(metadata={"uid": "another"})
    assert a_case(a_cache(other, service(), runner()), **LIES_THERE, status=held).data_is_gone
    assert not a_case(a_cache(service(), runner()), **LIES_THERE, status=held).data_is_gone


def test_whom_a_change_of_the_server_concerns() -> None:
    cache = a_cache(a_body(**LIES_THERE), mate(), a_body("else", uid="2"))
    kind = DatasetKind(a_world(**CONFIG), cache)
    mine = [("Dataset", UID), ("Dataset", OTHER)]
    assert list(kind.interested(PODS.kind, pod())) == mine
    assert list(kind.interested("StatefulSet", runner())) == mine
    assert list(kind.interested("PersistentVolumeClaim", claim())) == mine
    elsewhere = pod(metadata={"namespace": "lab"})  # anybody may label a pod of his own so
    assert list(kind.interested(PODS.kind, elsewhere)) == []
    by_default = DatasetKind(
        a_world(**CONFIG, default_storage=a_dataset(**LIES_THERE).storage), a_cache(a_body(), a_body("e", uid="2"))
    )
    assert list(by_default.interested(PODS.kind, pod())) == [("Dataset", UID), ("Dataset", "2")]


def test_another_kind_of_storage_has_no_server() -> None:
    assert a_case(a_cache(claim(), service(), runner())).seen.nfs_server is None
