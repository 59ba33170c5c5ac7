"""controllers/dataset/deletion.py: every rule, as a table of situations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from blueno import names
from blueno.resources.dataset import Storage
from controllers.dataset.deletion import RULES, Farewell, decide_farewell
from tests.make import (
    CLAIM,
    NOW,
    a_claim,
    a_dataset,
    a_job,
    a_pod,
    a_server,
    a_world,
    an_ended_pod,
    before,
    failed_outcome,
    observed,
)
from tests.unit.controllers.dataset.steps import deeds, flags

SERVER = "mnist-0a1b2c3d-data"
PATH = "lab/mnist-0a1b2c3d"
ERASE = "mnist-0a1b2c3d-erase"
PV = "blueno-0a1b2c3d-1111-4222-8333-444455556666"
HOST = {"storage": Storage("hostPath", {"path": "/data"}), "volume_made": True}
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
    # nothing_was_made
    Row("nothing was made", {"claim": None}, ["finalizer off"], "nothing"),
    Row("the user's claim is gone", {**THEIRS, "claim": None}, ["finalizer off"], "nothing"),
    # claim_holds_the_data
    Row("a claim of ours is deleted", {}, [f"delete PersistentVolumeClaim {CLAIM}"], "deleting claim"),
    Row("and waited for", {"claim": a_claim(deleting=True)}, [], "being deleted"),
    # directory_is_not_erased
    Row("a user's claim loses the directory only", THEIRS, [f"apply Job {ERASE}"], f"erasing {PATH}", refusable=True),
    Row("so does a directory on a node", HOST, [f"apply Job {ERASE}"], f"erasing {PATH}", refusable=True),
    Row("erasing takes its time", {**THEIRS, **erase()}, [], f"erasing {PATH}"),
    Row("a waiting pod says for what", {**THEIRS, **erase(pods=(a_pod(detail="0/3 nodes"),))}, [], "0/3 nodes"),
    Row("erasing failed with words", {**THEIRS, **erase(state="failed", said=failed_outcome("NoSpace", "busy"))}, [],
        "busy; delete Job", flag="stalled"),
    Row("erasing failed in silence", {**THEIRS, **erase(state="failed", pods=(an_ended_pod(),))}, [],
        f"kubectl logs job/{ERASE}", flag="stalled"),
    # empty_volume_is_left
    Row("a node's empty volume is removed, and the Job whose pod names it", {**HOST, **erase(state="complete")},
        [f"delete Job {ERASE}", f"delete PersistentVolumeClaim {CLAIM}", f"delete PersistentVolume {PV}"],
        "empty volume"),
    Row("the claim in deletion is waited for", {**HOST, **erase(state="deleting"), "claim": a_claim(deleting=True)}, [],
        "empty volume"),
    Row("a Job left beside it goes", {**HOST, **erase(state="complete"), "claim": a_claim(deleting=True)},
        [f"delete Job {ERASE}"], "empty volume"),
    Row("nothing is erased through a user's claim in deletion", {**THEIRS, "claim": a_claim("photos", deleting=True)},
        ["finalizer off"], ""),
    # silence
    Row("a user's claim stays and the Dataset goes", {**THEIRS, **erase(state="complete")}, ["finalizer off"],
        "erased"),
]  # fmt: skip


def farewell(row: Row) -> Farewell:
    meta = {"deletionTimestamp": "2026-03-01T11:59:50Z", "finalizers": list(row.finalizers)}
    dataset = a_dataset(meta=meta, **{"reclaimPolicy": "Delete", **row.spec})
    return Farewell(dataset, observed(**row.seen), a_world(allow_host_path=True), NOW)


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
