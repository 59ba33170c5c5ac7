"""controllers/dataset/serving.py and objects/server.py: when a data server runs, and what it is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from blueno import names
from blueno.resources.dataset import Storage
from blueno.resources.work import Work
from controllers.dataset.build import build_data_server
from controllers.dataset.case import Case
from controllers.dataset.decide import decide
from controllers.dataset.serving import rest, serve
from controllers.dataset.work import wanted_work
from controllers.servers import LOOK_AGAIN
from controllers.step import Patch
from tests.fakes.merge_patch import merge
from tests.make import (
    NOW,
    OPENING,
    OTHER,
    UPLOAD,
    a_claim,
    a_dataset,
    a_job,
    a_pod,
    a_server,
    a_service,
    a_status,
    a_world,
    an_ended_pod,
    an_open_status,
    before,
    observed,
)

Golden = Callable[[str, Any], None]

SEALED = a_status("Sealed")
SEALED_HERE = {**SEALED, "volume": {"claimUID": a_claim().uid}}
MADE = ["apply Deployment", "apply Service"]
UP = {"server": a_server(template="now"), "service": a_service()}  # "now": what today's template hashes to
REST = ["0 replicas"]
OPEN = {"source": UPLOAD, "status": an_open_status()}
SEAL = Work(UPLOAD, OPENING.layout, requested_at="t1")
NODE = {"prepare": {"nodeSelector": {"pool": "big"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]}}


def template_now(seen: dict[str, Any] | None = None, **dataset: Any) -> str:
    known = observed(**{key: value for key, value in (seen or {}).items() if key == "claim"})
    deployment, _ = build_data_server(a_dataset(status=SEALED, **dataset), known, a_world())
    return str(deployment["metadata"]["labels"][names.TEMPLATE_LABEL])


def case_of(dataset: dict[str, Any], seen: dict[str, Any]) -> Case:
    server = seen.get("server")
    if server is not None and server.template == "now":
        seen = {**seen, "server": a_server(**{**vars(server), "template": template_now(seen)})}
    parsed, known = a_dataset(**{"status": SEALED, **dataset}), observed(**seen)
    return Case(parsed, known, wanted_work(parsed, known.jobs), a_world(), NOW)


def deeds(case: Case, seconds: float | None) -> tuple[list[str], float | None]:
    until = NOW + timedelta(seconds=seconds) if seconds is not None else None
    done, again_in = serve(case, decide(case), until)
    return [words(deed) for deed in done], again_in


def words(deed: Any) -> str:
    if not isinstance(deed, Patch):
        return f"apply {deed['kind']}"
    assert deed.ref.uid == a_server().uid
    spec = deed.body["spec"]
    return f"{spec['replicas']} replicas" + (" of a new template" if "template" in spec else "")


@dataclass(frozen=True)
class Row:
    """A situation in which somebody looks (for another 60 s), and what is done."""

    when: str
    seen: dict[str, Any]
    does: list[str]
    again_in: float | None
    dataset: dict[str, Any] = field(default_factory=dict)


ROWS = [
    Row("the first look makes it", {}, MADE, LOOK_AGAIN),
    Row("a server that runs is left alone", UP, [], 60),
    Row("one that rests is woken", {**UP, "server": a_server(template="now", replicas=0)}, ["1 replicas"], 60),
    Row("one that somebody scaled is put right", {**UP, "server": a_server(template="now", replicas=5)},
        ["1 replicas"], 60),
    Row("another image or key is another template", {**UP, "server": a_server()}, ["1 replicas of a new template"], 60),
    Row("a lost Service comes back", {**UP, "service": None}, ["apply Service"], 60),
    Row("a Deployment in deletion is waited for", {**UP, "server": a_server(deleting=True)}, [], 60),
    Row("a suspended data set can be looked at", UP, [], 60, {"suspend": True}),
    Row("also while the next version is prepared", {**UP, "jobs": (a_job(2),)}, [], 60,
        {"status": a_status("Sealed", work=OTHER)}),
    Row("nothing is sealed yet", {}, [], None, {"status": a_status()}),
    Row("samples can be added before anything is sealed", {}, MADE, LOOK_AGAIN, OPEN),
    Row("and while they are sealed", {"jobs": (a_job(2, SEAL),)}, MADE, LOOK_AGAIN,
        {**OPEN, "status": a_status("", 2, SEAL, working={"accepts": True})}),
    Row("nothing is sealed any more", UP, REST, None, {"status": a_status()}),
    Row("the claim is gone", {**UP, "claim": None}, REST, None),
    Row("the claim is pending", {"claim": a_claim(phase="Pending")}, [], None),
    Row("the claim's volume is lost", {**UP, "claim": a_claim(phase="Lost")}, REST, None),
    Row("the claim is being deleted: its pod would hold it", {**UP, "claim": a_claim(deleting=True)}, REST, None),
    Row("the claim is another one of the same name", {**UP, "claim": a_claim(uid="another")}, REST, None,
        {"status": SEALED_HERE}),
    Row("the claim is the one it was sealed on", UP, [], 60, {"status": SEALED_HERE}),
    Row("somebody took the claim's name", {**UP, "claim": None, "name_taken": True}, REST, None),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.when)
def test_somebody_looks(row: Row) -> None:
    assert deeds(case_of(row.dataset, row.seen), 60) == (row.does, row.again_in)


@pytest.mark.parametrize("seconds", [None, -1, 0])
def test_nobody_looks(seconds: float | None) -> None:
    assert deeds(case_of({}, UP), seconds) == (REST, None)
    assert deeds(case_of({}, {}), seconds) == ([], None)
    assert deeds(case_of({}, {**UP, "server": a_server(replicas=0)}), seconds) == ([], None)
    assert deeds(case_of({}, {**UP, "server": a_server(deleting=True)}), seconds) == ([], None)


NO_NODE = a_pod(phase="Pending", started=False, node="", trouble="unschedulable", detail="0/3 nodes")
BUSY: list[dict[str, Any]] = [{"jobs": (a_job(2, pods=(NO_NODE,)),)}, {"run_waits": True}]
IDLE: list[dict[str, Any]] = [
    {"jobs": (a_job(2),)},  # it has found room on the same node: samples may come while it seals
    {"jobs": (a_job(2, pods=()),)},
    {"stray_pods": (a_pod(deleted=before(5)),)},
    {"jobs": (a_job(2, suspended=True, pods=(NO_NODE,)),)},
    {"jobs": (a_job(2, state="complete", pods=(an_ended_pod(),)),)},
    {"jobs": (a_job(2, suspended=True, pods=()),)},
    {},
]


@pytest.mark.parametrize("seen", BUSY)
def test_a_claim_of_one_node_belongs_first_to_the_pod_that_finds_no_other(seen: dict[str, Any]) -> None:
    status = {"status": a_status("Sealed", work=OTHER)}
    assert deeds(case_of(status, {**UP, **seen, "claim": a_claim(shared=False)}), 60)[0] == REST
    assert deeds(case_of(status, {**UP, **seen}), 60)[0] == []


@pytest.mark.parametrize("seen", IDLE)
def test_and_to_the_data_server_when_nobody_waits_for_it(seen: dict[str, Any]) -> None:
    status = {"status": a_status("Sealed", work=OTHER)}
    assert deeds(case_of(status, {**UP, **seen, "claim": a_claim(shared=False)}), 60)[0] == []


def test_resting_asks_for_this_very_deployment() -> None:
    (patch,) = rest(a_dataset(), a_server())
    assert isinstance(patch, Patch)
    assert (patch.ref.uid, patch.body) == (a_server().uid, {"spec": {"replicas": 0}})


# manifests ----------------------------------------------------------------------------------------

SERVERS = {
    "data-server-of-one-node": lambda: build_data_server(
        a_dataset(**NODE), observed(claim=a_claim(shared=False)), a_world()
    ),
    "data-server": lambda: build_data_server(a_dataset(), observed(), a_world()),
    "data-server-on-a-node": lambda: build_data_server(
        a_dataset(**NODE),
        observed(storage=Storage("existingClaim", {"name": "photos"}, "sets/mnist")),
        a_world(image_pull_policy="Never"),
    ),
}


TAKES_SAMPLES = {
    "data-server-that-takes-samples": lambda: build_data_server(a_dataset(**OPEN), observed(), a_world()),
    "data-server-that-takes-samples-of-one-node": lambda: build_data_server(
        a_dataset(status={**SEALED, "working": {"accepts": True}}),
        observed(claim=a_claim(shared=False), storage=Storage("existingClaim", {"name": "photos"}, "a:b/ö")),
        a_world(),
    ),
}


@pytest.mark.parametrize("name", TAKES_SAMPLES)
def test_a_data_server_that_takes_samples_writes_to_its_own_directory_alone(name: str, golden: Golden) -> None:
    """And there not to what is sealed. Mount paths hold nothing that a person wrote: Kubernetes allows no colon."""
    made = TAKES_SAMPLES[name]()
    golden(f"dataset/{name}", list(made))
    (container,) = made[0]["spec"]["template"]["spec"]["containers"]
    (root,) = [entry["value"] for entry in container["env"] if entry["name"] == names.ENV_ROOT]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"] if mount["name"] == "volume"}
    assert root == names.SERVED_ROOT
    assert [path for path, mount in mounts.items() if not mount["readOnly"]] == [root]
    for path, mount in mounts.items():
        assert mount["subPath"] == mounts[root]["subPath"] + path.removeprefix(root)
    assert {f"{root}/{names.VERSIONS_DIR}", f"{root}/{names.WORKS_DIR}"} <= set(mounts)


@pytest.mark.parametrize("name", SERVERS)
def test_manifests(name: str, golden: Golden) -> None:
    golden(f"dataset/{name}", list(SERVERS[name]()))


@pytest.mark.parametrize("name", SERVERS)
def test_a_data_server_can_do_little(name: str) -> None:
    deployment, service = SERVERS[name]()
    template = deployment["spec"]["template"]
    pod = template["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert {volume["name"] for volume in pod["volumes"]} == {"tmp", "volume"}
    (claim,) = [volume["persistentVolumeClaim"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["mountPath"] == names.VOLUME_MOUNT]
    assert claim["readOnly"] is mount["readOnly"] is True
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]


def test_the_template_label_knows_what_a_server_is_made_from() -> None:
    def label(dataset: dict[str, Any], **world: Any) -> str:
        deployment, _ = build_data_server(a_dataset(**dataset), observed(), a_world(**world))
        return str(deployment["metadata"]["labels"][names.TEMPLATE_LABEL])

    plain = label({})
    assert label({"displayName": "x", "prepare": {"backoffLimit": 9}}) == plain
    assert len({plain, label(NODE), label({}, prep_image="example.org/prep:2")}) == 3


WRITES = {"status": {**SEALED, "working": {"accepts": True}}}
PATCHES = [(NODE, {}), ({}, NODE), (NODE, NODE), ({}, WRITES), (WRITES, {}), ({**WRITES, **NODE}, WRITES)]


@pytest.mark.parametrize(("old", "new"), PATCHES, ids=["away", "added", "same", "writes", "reads", "writes-on"])
def test_a_patch_makes_the_new_template_of_the_old(old: dict[str, Any], new: dict[str, Any]) -> None:
    made, _ = build_data_server(a_dataset(**old), observed(), a_world(prep_image="example.org/prep:0"))
    wanted, _ = build_data_server(a_dataset(**new), observed(), a_world())
    case = case_of(new, {"server": a_server(), "service": a_service()})
    (patch,), _ = serve(case, decide(case), NOW + timedelta(seconds=60))
    assert isinstance(patch, Patch)
    assert merge(copy.deepcopy(made), patch.body) == wanted
