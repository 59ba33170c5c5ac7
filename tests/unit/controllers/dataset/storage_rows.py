"""Situations of claims and volumes and what is decided in them: a part of the table of test_decide.py."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from blueno.resources.dataset import Storage
from blueno.resources.nfs import AllowedNfs
from controllers.dataset.storage import CLAIM_PATIENCE, REBIND_SECONDS
from controllers.dataset.work import wanted_work
from tests.make import CLAIM, OTHER, WORK, a_claim, a_dataset, a_job, a_status, a_volume, an_nfs_server, before, stalled

J1, J2, OLD = (a_job(1).name, a_job(2).name, a_job(1, OTHER).name)
PV = "blueno-0a1b2c3d-1111-4222-8333-444455556666"
HOST = Storage("hostPath", {"path": "/data"})
NFS = Storage("nfs", {"server": "nfs.example.org", "path": "/exports/ml"})
MANAGED = Storage("managedNFS", {"size": "10Gi"})
THEIRS = Storage("existingClaim", {"name": "photos"})
RUNNING = a_status()
SEALED = a_status("Sealed")
FAILED = a_status("Failed", conditions=[stalled("ChecksumMismatch", "abc is not def")])
CLAIM_SOURCE = {"source": {"claim": {"name": "photos"}}}
ALLOWED = {
    "allow_nfs_volumes": True,
    "allowed_nfs": (AllowedNfs("nfs.example.org", "/exports", ("lab",)),),
}


@dataclass(frozen=True)
class Row:
    """A situation and what is decided in it."""

    when: str
    dataset: dict[str, Any]
    seen: dict[str, Any]
    reason: str
    flag: str
    does: list[str] = field(default_factory=list)
    says: str = ""
    again_in: float | None = None
    config: dict[str, Any] = field(default_factory=dict)


def job(*args: Any, **changes: Any) -> dict[str, Any]:
    return {"jobs": (a_job(*args, **changes),)}


STORAGE_ROWS = [
    # storage_is_not_allowed
    Row("hostPath is refused unless configured", {}, {"storage": HOST, "claim": None}, "StorageNotAllowed", "stalled"),
    Row("an export that nobody allowed", {}, {"storage": NFS, "claim": None}, "StorageNotAllowed", "stalled",
        says="namespace lab may not use nfs.example.org:/exports/ml (BLUENO_ALLOWED_NFS)",
        config={"allow_nfs_volumes": True}),
    Row("NFS is refused unless switched on", {}, {"storage": NFS, "claim": None}, "StorageNotAllowed", "stalled",
        says="BLUENO_ALLOW_NFS_VOLUMES"),
    Row("another namespace's directory", {}, {"storage": replace(NFS, sub_path="team/mnist"), "claim": None},
        "StorageNotAllowed", "stalled", says="team/mnist is not this namespace's: it must begin with lab/;",
        config=ALLOWED),
    Row("what was sealed before it was forbidden can still be read", {"status": SEALED},
        {"storage": NFS, "volume": a_volume()}, "StorageNotAllowed", "stalled", config={"allow_nfs_volumes": True}),
    # name_is_taken
    Row("somebody else's claim of our name is left alone", {}, {"claim": None, "name_taken": True}, "NameConflict",
        "stalled", says=CLAIM),
    # name_is_taken
    Row("a claim that is not ours is left alone", {"status": SEALED}, {"claim": None, "name_taken": True},
        "NameConflict", "stalled", says=CLAIM),
    # volume_is_missing
    Row("a claim is made first of all", {}, {"claim": None}, "Provisioning", "reconciling",
        [f"apply PersistentVolumeClaim {CLAIM}"], again_in=0),
    Row("an earlier claim of this name is pointed out", {}, {"claim": None, "kept_claims": ("mnist-old",)},
        "Provisioning", "reconciling", [f"apply PersistentVolumeClaim {CLAIM}"], "mnist-old", again_in=0),
    Row("hostPath gets a volume and a claim", {}, {"storage": HOST, "claim": None}, "Provisioning", "reconciling",
        [f"apply PersistentVolume {PV}", f"apply PersistentVolumeClaim {CLAIM}"], again_in=0,
        config={"allow_host_path": True}),
    Row("an export gets a volume and a claim", {}, {"storage": NFS, "claim": None}, "Provisioning", "reconciling",
        [f"apply PersistentVolume {PV}", f"apply PersistentVolumeClaim {CLAIM}"], again_in=0, config=ALLOWED),
    Row("a claim to an export holds nothing: it is made again, and the version is found behind it",
        {"status": SEALED}, {"storage": NFS, "claim": None}, "Provisioning", "reconciling",
        [f"apply PersistentVolume {PV}", f"apply PersistentVolumeClaim {CLAIM}"], again_in=0, config=ALLOWED),
    Row("an attempt looks behind a claim that was made again",
        {"status": a_status("Sealed", volume={"claimUID": "of-old"})}, {"storage": NFS, "volume": a_volume()},
        "Preparing", "reconciling", [f"apply Job {J2}"], "was replaced", again_in=0, config=ALLOWED),
    Row("a hostPath volume that vanished is made again", {}, {"storage": HOST, "volume": None}, "Provisioning",
        "reconciling", [f"apply PersistentVolume {PV}", f"apply PersistentVolumeClaim {CLAIM}"], again_in=0,
        config={"allow_host_path": True}),
    Row("a user's claim is waited for", {}, {"storage": THEIRS, "claim": None}, "WaitingForVolume", "reconciling",
        says="claim photos does not exist"),
    Row("a claim that held a version is never replaced silently", {"status": SEALED}, {"claim": None}, "VolumeLost",
        "stalled", says=CLAIM),
    Row("a claim that held a version is replaced on request", {"status": SEALED, "requested_at": "t1"},
        {"claim": None}, "Provisioning", "reconciling", [f"apply PersistentVolumeClaim {CLAIM}"], again_in=0),
    # volume_is_stale
    Row("a volume whose claim was deleted is never bound again: it goes", {},
        {"storage": NFS, "claim": None, "volume": a_volume()}, "Provisioning", "reconciling",
        [f"delete PersistentVolume {PV}"], "belongs to a claim that is gone", config=ALLOWED),
    Row("also when the claim was made again before it", {"status": SEALED},
        {"storage": NFS, "volume": a_volume(claim_uid="of-old")}, "Provisioning", "reconciling",
        [f"delete PersistentVolume {PV}"], config=ALLOWED),
    Row("one that is going is waited for", {},
        {"storage": NFS, "claim": None, "volume": a_volume(deleting=True)}, "Provisioning", "reconciling",
        config=ALLOWED),
    Row("one that somebody deletes serves on while its claim is there", {"status": SEALED},
        {"storage": NFS, "volume": a_volume(deleting=True)}, "Available", "ready", config=ALLOWED),
    # volume_is_lost
    Row("a claim to an export that somebody deletes is waited for", {"status": SEALED},
        {"storage": NFS, "claim": a_claim(deleting=True), "volume": a_volume()}, "WaitingForVolume", "reconciling",
        says="made again", again_in=REBIND_SECONDS, config=ALLOWED),
    Row("a claim to an export whose volume was made again is bound again", {},
        {"storage": NFS, "claim": a_claim(phase="Lost"), "volume": a_volume(claim_uid="")}, "WaitingForVolume",
        "reconciling", says="lost its volume", again_in=REBIND_SECONDS, config=ALLOWED),
    Row("a claim without its volume is lost", {}, {"claim": a_claim(phase="Lost")}, "VolumeLost", "stalled"),
    Row("a claim in deletion is lost", {"status": SEALED}, {"claim": a_claim(deleting=True)}, "VolumeLost", "stalled",
        says="being deleted"),
    # volume_was_replaced
    Row("another claim of the same name is looked at by an attempt",
        {"status": a_status("Sealed", volume={"claimUID": "of-old"})}, {}, "Preparing", "reconciling",
        [f"apply Job {J2}"], "was replaced", again_in=0),
    Row("the claim that the version was sealed on", {"status": a_status("Sealed", volume={"claimUID": a_claim().uid})},
        {}, "Available", "ready"),
    # volume_is_binding
    Row("no pod is made before its claim is bound to the volume beside it", {},
        {"storage": NFS, "volume": a_volume(claim_uid=""), "claim": a_claim(phase="Pending", created=before(20))},
        "Provisioning", "reconciling", says="is being provisioned", again_in=CLAIM_PATIENCE - 20 + 1, config=ALLOWED),
    Row("nor an attempt that looks for the version behind a claim that was made again",
        {"status": a_status("Sealed", volume={"claimUID": "of-old"})},
        {"storage": NFS, "volume": a_volume(claim_uid=""), "claim": a_claim(phase="Pending", created=before(61))},
        "WaitingForVolume", "reconciling", says="kubectl describe pvc", config=ALLOWED),
    Row("a claim of a class may wait for the first pod that wants it", {},
        {"claim": a_claim(phase="Pending", created=before(1))}, "Pending", "reconciling", [f"apply Job {J1}"],
        again_in=0),
    # server_is_not_ready: all of its situations are in test_managed.py
    Row("a managed server is made before the first volume on it", {},
        {"storage": MANAGED, "claim": None,
         "nfs_server": an_nfs_server(claim=None, runner=None, service_made=False, address="")},
        "Provisioning", "reconciling",
        [f"apply {kind} nfs-lab" for kind in ("PersistentVolumeClaim", "Service", "StatefulSet")],
        "making its NFS server nfs-lab in blueno-storage", again_in=0, config=ALLOWED),
    Row("then the volume", {}, {"storage": MANAGED, "claim": None, "nfs_server": an_nfs_server()},
        "Provisioning", "reconciling", [f"apply PersistentVolume {PV}", f"apply PersistentVolumeClaim {CLAIM}"],
        f"making claim {CLAIM}", again_in=0, config=ALLOWED),
    # claim_is_pending
    Row("a fresh claim may take its time", {"status": RUNNING},
        {**job(pods=()), "claim": a_claim(phase="Pending", created=before(20))}, "Provisioning", "reconciling",
        again_in=CLAIM_PATIENCE - 20 + 1),
    Row("an old one is waited for with advice", {"status": RUNNING},
        {**job(pods=()), "claim": a_claim(phase="Pending", created=before(61))}, "WaitingForVolume", "reconciling",
        says="accessModes: [ReadWriteOnce]"),
    Row("so is a source's claim", {"status": a_status(work=WORK), **CLAIM_SOURCE},
        {"source_claim": a_claim("photos", phase="Pending", created=before(61))}, "Preparing", "reconciling",
        [f"apply Job {a_job(2, wanted_work(a_dataset(**CLAIM_SOURCE), ()).work).name}"], again_in=0),
    Row("a claim that its volume does not take has no class to blame", {"status": RUNNING},
        {**job(pods=()), "storage": NFS, "volume": a_volume(claim_uid=""),
         "claim": a_claim(phase="Pending", created=before(61))}, "WaitingForVolume", "reconciling",
        says="kubectl describe pvc", config=ALLOWED),
]  # fmt: skip
