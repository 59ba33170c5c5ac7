"""controllers/dataset/deletion.py: every rule, as a table of situations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from blueno import names
from blueno.resources.dataset import Storage
from controllers.dataset.deletion import LOOK_AGAIN, RULES, Farewell, decide_farewell
from tests.make import (
    CLAIM,
    NOW,
    a_claim,
    a_dataset,
    a_job,
    a_pod,
    a_server,
    a_service,
    a_status,
    a_volume,
    a_world,
    an_ended_pod,
    an_nfs_server,
    before,
    failed_outcome,
    observed,
)
from tests.unit.controllers.dataset.steps import deeds, flags

SERVER = "mnist-0a1b2c3d-data"
PATH = "lab/mnist-0a1b2c3d"
ERASE = "mnist-0a1b2c3d-erase"
PV = "blueno-0a1b2c3d-1111-4222-8333-444455556666"
HOST = {"storage": Storage("hostPath", {"path": "/data"}), "volume": a_volume()}
NFS = {"storage": Storage("nfs", {"server": "nfs.example.org", "path": "/exports/ml"}), "volume": a_volume()}
MANAGED = {
    "storage": Storage("managedNFS", {"size": "1Gi"}),
    "volume": a_volume(),
    "nfs_server": an_nfs_server(),
}
PREPARED = {"status": a_status("Sealed")}
THEIRS = {"storage": Storage("existingClaim", {"name": "photos"}), "claim": a_claim("photos")}


@dataclass(frozen=True)
class Row:
    """A Dataset on its way out and what is done about it."""

    when: str
    seen: dict[str, Any]
    does: list[str]
    says: str
    flag: str = "reconciling"
    again_in: float | None = None
    refusable: bool = False
    spec: dict[str, Any] = field(default_factory=dict)
    reason: str = "Erasing"
    finalizers: tuple[str, ...] = (names.ERASE_FINALIZER,)
    config: dict[str, Any] = field(default_factory=lambda: {"allow_host_path": True})


def erase(**changes: Any) -> dict[str, Any]:
    return {"erase_job": a_job(name=ERASE, **changes)}


ROWS = [
    # runs_still_use_it
    Row("a run uses it: nothing is touched", {"users": ("r1",), "jobs": (a_job(),)},
        ["warn InUse"], "a training run uses it: r1;", reason="InUse"),
    Row("many do", {"users": ("r1", "r2", "r3", "r4", "r5")},
        ["warn InUse"], "5 training runs use it: r1, r2, r3 and 2 more;", reason="InUse"),
    Row("the last one has ended", {}, ["in use off"], "no training run", reason="InUse", again_in=0,
        finalizers=(names.ERASE_FINALIZER, names.IN_USE_FINALIZER)),
    # data_is_kept
    Row("changed to Retain after all", {}, ["finalizer off"], "Retain", spec={"reclaimPolicy": "Retain"}),
    # data_server_still_runs
    Row("the data server goes first", {"server": a_server(), "jobs": (a_job(),)}, [f"delete Deployment {SERVER}"],
        "data server"),
    Row("and its Service with it", {"server": a_server(), "service": a_service()},
        [f"delete Service {SERVER}", f"delete Deployment {SERVER}"], "data server"),
    Row("also one that rests", {"server": a_server(replicas=0)}, [f"delete Deployment {SERVER}"], "data server"),
    # preparation_still_runs
    Row("and meanwhile the preparation stops", {"server": a_server(deleting=True), "jobs": (a_job(),)},
        [f"delete Job {a_job().name}"], "stopping"),
    Row("a running preparation stops", {"jobs": (a_job(),)}, [f"delete Job {a_job().name}"], "stopping"),
    Row("an ended Job goes too, and all of them at once", {"jobs": (a_job(1, state="failed"), a_job(2))},
        [f"delete Job {a_job(1).name}", f"delete Job {a_job(2).name}"], "stopping"),
    Row("a Job in deletion is waited for", {"jobs": (a_job(state="deleting"),)}, [], "waiting", again_in=5),
    Row("a pod without its Job is waited for", {"stray_pods": (a_pod(deleted=before(5)),)}, [], "waiting", again_in=5),
    Row("a lost node's pod is not", {"stray_pods": (a_pod(deleted=before(60)),)},
        [f"delete PersistentVolumeClaim {CLAIM}"], "deleting claim"),
    # data_server_still_stops
    Row("the claim stays while the data server's Deployment is going", {"server": a_server(deleting=True)}, [],
        "waiting", again_in=5),
    Row("and while its pod does", {"server_pods": (a_pod(deleted=before(5)),)}, [], "waiting", again_in=5),
    Row("nothing is erased under a pod that still shows it", {**THEIRS, "server_pods": (a_pod(),)}, [], "waiting",
        again_in=5),
    Row("its pod on a lost node holds nothing up", {"server_pods": (a_pod(deleted=before(60)),)},
        [f"delete PersistentVolumeClaim {CLAIM}"], "deleting claim"),
    # claim_is_gone
    Row("nothing was made", {"claim": None}, ["finalizer off"], "nothing"),
    Row("the user's claim is gone", {**THEIRS, "claim": None}, ["finalizer off"], "nothing", spec=PREPARED),
    Row("no claim to an export was made", {**NFS, "claim": None}, ["finalizer off"], "nothing"),
    Row("a claim to an export is gone before anything was erased", {**NFS, "claim": None},
        ["finalizer off", "warn DataKept"], f"{PATH} stays on nfs.example.org:/exports/ml", spec=PREPARED),
    Row("or goes with its namespace", {**NFS, "claim": a_claim(deleting=True)}, ["finalizer off", "warn DataKept"],
        f"{PATH} stays on nfs.example.org:/exports/ml", spec=PREPARED),
    Row("while it is being erased", {**NFS, **erase(state="deleting"), "claim": a_claim(deleting=True)},
        ["finalizer off", "warn DataKept"], f"{PATH} stays", spec=PREPARED),
    Row("on a managed server", {**MANAGED, "claim": None}, ["finalizer off", "warn DataKept"],
        f"{PATH} stays on the managed NFS server", spec=PREPARED),
    Row("on a node", {**HOST, "claim": None}, ["finalizer off", "warn DataKept"], f"{PATH} stays on the node",
        spec=PREPARED),
    Row("it was erased before: the operator was killed in between", {**NFS, **erase(state="complete"), "claim": None},
        ["finalizer off"], "nothing", spec=PREPARED),
    # claim_holds_the_data
    Row("a claim of ours is deleted", {}, [f"delete PersistentVolumeClaim {CLAIM}"], "deleting claim"),
    Row("and waited for", {"claim": a_claim(deleting=True)}, [], "being deleted"),
    # server_is_missing
    Row("its server is made again, with its address", {**MANAGED, "nfs_server": an_nfs_server(runner=None)},
        ["apply StatefulSet nfs-lab"], "making its NFS server nfs-lab in blueno-storage again", again_in=0),
    Row("even while the Job waits for it", {**MANAGED, **erase(), "nfs_server": an_nfs_server(service_made=False)},
        ["apply Service nfs-lab"], "making its NFS server", again_in=0),
    Row("its server's claim is gone, and the data with it", {**MANAGED, "nfs_server": an_nfs_server(claim=None)},
        ["finalizer off"], "the claim of its NFS server is gone"),
    Row("when it is erased nobody needs the server", {**MANAGED, **erase(state="complete"),
        "nfs_server": an_nfs_server(runner=None)},
        ["finalizer off", f"delete PersistentVolumeClaim {CLAIM}", f"delete PersistentVolume {PV}",
         f"delete Job {ERASE}"], "erased"),
    Row("a server that the operator may not make", {**MANAGED, "nfs_server": an_nfs_server(runner=None)},
        [f"apply Job {ERASE}"], f"erasing {PATH}", refusable=True, config={"nfs_image": ""}),
    # directory_is_not_erased
    Row("a user's claim loses the directory only", THEIRS, [f"apply Job {ERASE}"], f"erasing {PATH}", refusable=True),
    Row("so does a directory on a node", HOST, [f"apply Job {ERASE}"], f"erasing {PATH}", refusable=True),
    Row("so does one on an export", NFS, [f"apply Job {ERASE}"], f"erasing {PATH}", refusable=True),
    Row("and one on a managed server", MANAGED, [f"apply Job {ERASE}"], f"erasing {PATH}", refusable=True),
    Row("not before the claim to it is bound, which takes a moment",
        {**NFS, "claim": a_claim(phase="Pending", created=before(20))}, [], "being bound", again_in=40),
    Row("one that is never bound gets its Job: Events tell why",
        {**NFS, "claim": a_claim(phase="Pending", created=before(61))}, [f"apply Job {ERASE}"], f"erasing {PATH}",
        refusable=True),
    Row("a pod that does not start: Events are asked", {**NFS, **erase(pods=(a_pod(started=False),))},
        ["ask Pod pod-1"], f"erasing {PATH}", again_in=LOOK_AGAIN),
    Row("erasing takes its time", {**THEIRS, **erase()}, [], f"erasing {PATH}"),
    Row("a waiting pod says for what", {**THEIRS, **erase(pods=(a_pod(detail="0/3 nodes"),))}, [], "0/3 nodes"),
    Row("erasing failed with words", {**THEIRS, **erase(state="failed", said=failed_outcome("NoSpace", "busy"))}, [],
        "busy; delete Job", flag="stalled"),
    Row("erasing failed in silence", {**THEIRS, **erase(state="failed", pods=(an_ended_pod(),))}, [],
        f"kubectl logs job/{ERASE}", flag="stalled"),
    # empty_volume_is_left
    Row("a node's empty volume is removed, and the Job whose pod names it", {**HOST, **erase(state="complete")},
        ["finalizer off", f"delete PersistentVolumeClaim {CLAIM}", f"delete PersistentVolume {PV}",
         f"delete Job {ERASE}"], "erased"),
    Row("so is one on an export", {**NFS, **erase(state="complete")},
        ["finalizer off", f"delete PersistentVolumeClaim {CLAIM}", f"delete PersistentVolume {PV}",
         f"delete Job {ERASE}"], "erased"),
    Row("an operator that may make no volumes any more leaves it to the administrator",
        {**HOST, **erase(state="complete")},
        ["finalizer off", f"delete PersistentVolumeClaim {CLAIM}", f"delete Job {ERASE}"], "erased",
        config={"allow_host_path": False}),
    Row("nothing is erased through a user's claim in deletion", {**THEIRS, "claim": a_claim("photos", deleting=True)},
        ["finalizer off"], ""),
    # silence
    Row("a user's claim stays and the Dataset goes", {**THEIRS, **erase(state="complete")}, ["finalizer off"],
        "erased"),
]  # fmt: skip


def farewell(row: Row) -> Farewell:
    meta = {"deletionTimestamp": "2026-03-01T11:59:50Z", "finalizers": list(row.finalizers)}
    dataset = a_dataset(meta=meta, **{"reclaimPolicy": "Delete", **row.spec})
    return Farewell(dataset, observed(**row.seen), a_world(**row.config), NOW)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.when)
def test_farewell(row: Row) -> None:
    step = decide_farewell(farewell(row))
    assert (step.reason, flags(step), deeds(step)) == (row.reason, row.flag, row.does), step.message
    assert row.says in step.message
    assert (step.again_in, step.release_if_refused) == (row.again_in, row.refusable)


def test_every_rule_speaks_somewhere_in_the_table() -> None:
    silent = {rule.__name__ for rule in RULES}
    for row in ROWS:
        spoken = (rule.__name__ for rule in RULES if rule(farewell(row)) is not None)
        silent.discard(next(spoken, ""))
    assert silent == set()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.when)
def test_only_this_very_object_is_deleted(row: Row) -> None:
    for ref in decide_farewell(farewell(row)).delete:
        assert ref.uid is not None or ref.name == PV, ref
