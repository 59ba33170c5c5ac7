"""The rules about where a data set lies: may it lie there, and are claim and volume there. Pure; see decide.py.

Calls managed.py for the servers that the operator runs, build.py for manifests.
"""

from __future__ import annotations

from dataclasses import replace

from blueno.config import OperatorConfig
from blueno.resources.api import VOLUMES
from blueno.resources.dataset import Storage
from blueno.resources.nfs import covering
from blueno.resources.reasons import DatasetReason as Reason
from controllers.dataset import words
from controllers.dataset.build import build_volume
from controllers.dataset.case import Case
from controllers.dataset.managed import server_address, server_step
from controllers.dataset.observe import claim_name
from controllers.step import Ref, Step

CLAIM_PATIENCE = 60.0  # seconds a new claim may take before we call it waiting
REBIND_SECONDS = 10.0  # after which we look again at a claim that Kubernetes binds anew


def refusal(storage: Storage, namespace: str, config: OperatorConfig) -> str:
    """Why data sets of `namespace` may not lie on `storage`; "" when they may."""
    if storage.kind == "hostPath" and not config.allow_host_path:
        return "hostPath storage is switched off in this operator's configuration (BLUENO_ALLOW_HOST_PATH)"
    if storage.kind not in ("nfs", "managedNFS"):
        return ""
    if not config.allow_nfs_volumes:
        return "NFS storage is switched off in this operator's configuration (BLUENO_ALLOW_NFS_VOLUMES)"
    prefixes = [f"{namespace}/"]
    if storage.kind == "nfs":
        server, path = storage.parameters["server"], storage.parameters["path"]
        entries = covering(config.allowed_nfs, server, path, namespace)
        if not entries:
            return f"namespace {namespace} may not use {server}:{path} (BLUENO_ALLOWED_NFS): ask the administrator"
        prefixes += [prefix for entry in entries for prefix in entry.sub_paths]
    elif not config.nfs_image:
        return "managed NFS servers are switched off in this operator's configuration (BLUENO_NFS_IMAGE)"
    if storage.sub_path is not None and not storage.sub_path.startswith(tuple(prefixes)):
        allowed = " or ".join(dict.fromkeys(prefixes))
        return f"spec.storage.subPath {storage.sub_path} is not this namespace's: it must begin with {allowed}"
    return ""


def storage_is_not_allowed(case: Case) -> Step | None:
    """A node's directory, somebody's export, another namespace's directory: nothing is made, nothing is mounted."""
    why = refusal(case.seen.storage, case.dataset.namespace, case.world.config)
    text = f"{why}; make a new Dataset with other storage, or have the configuration changed"
    return Step(Reason.STORAGE_NOT_ALLOWED, text, stalled=True) if why else None


def name_is_taken(case: Case) -> Step | None:
    """Somebody's claim has the name of ours: it is never written to, and never deleted."""
    if not case.seen.name_taken:
        return None
    name = claim_name(case.dataset, case.seen.storage)
    text = f"claim {name} exists and was not made for this Dataset: delete or rename it"
    return Step(Reason.NAME_CONFLICT, text, stalled=True, data_out_of_reach=True)


def server_is_not_ready(case: Case) -> Step | None:
    """The namespace's managed NFS server is made before the first volume on it."""
    return server_step(case) if case.seen.storage.kind == "managedNFS" else None


def volume_is_stale(case: Case) -> Step | None:
    """Our PersistentVolume was bound to a claim that is gone: Kubernetes never binds it to another, so it goes too."""
    volume, claim = case.seen.volume, case.seen.claim
    if not case.seen.storage.is_static or volume is None or not volume.claim_uid:
        return None
    if claim is not None and claim.uid == volume.claim_uid:
        return None
    gone = () if volume.deleting else (Ref(VOLUMES, None, volume.name, volume.uid),)
    text = f"volume {volume.name} belongs to a claim that is gone: it is made anew"
    return Step(Reason.PROVISIONING, text, reconciling=True, data_out_of_reach=True, delete=gone)


def volume_is_missing(case: Case) -> Step | None:
    """Make the claim; but never an empty one in the place of one that held a sealed version or added samples.

    A claim of ours to a server or a node holds nothing: it is made again, and an attempt finds the version behind it.
    """
    claim, storage = case.seen.claim, case.seen.storage
    if claim is not None and not (storage.is_static and case.seen.volume is None):
        return None
    name = claim_name(case.dataset, storage)
    if storage.kind == "existingClaim":
        text = f"claim {name} does not exist in this namespace: create it; preparation starts as soon as it is there"
        return Step(Reason.WAITING_FOR_VOLUME, text, reconciling=True, data_out_of_reach=True)
    sealed = claim is None and case.dataset.holds_data
    if sealed and not case.may_begin_anew and not storage.is_static:
        lost = Step(Reason.VOLUME_LOST, words.claim_lost(case.dataset, name), stalled=True, data_out_of_reach=True)
        return replace(lost, status=case.heard)
    server = server_address(case.seen) if storage.kind == "managedNFS" else ""
    return Step(
        Reason.PROVISIONING,
        f"making claim {name}" + words.kept(case.seen),
        reconciling=True,
        data_out_of_reach=sealed,
        apply=build_volume(case.dataset, case.seen, case.world.config, server),
        status=words.NO_VERSION if sealed and case.asked else {},
        again_in=0,
    )


def volume_is_lost(case: Case) -> Step | None:
    """The claim's volume is gone, or somebody deletes the claim."""
    claim = case.seen.claim
    if claim is None or not (claim.phase == "Lost" or claim.deleting):
        return None
    what = "is being deleted" if claim.deleting else "has lost its volume"
    if case.seen.storage.is_static:
        text = f"claim {claim.name} {what}; it is made again, and the data stay where they are"
        waiting = Step(Reason.WAITING_FOR_VOLUME, text, reconciling=True, data_out_of_reach=True)
        return replace(waiting, again_in=REBIND_SECONDS)
    text = f"claim {claim.name} {what}; restore it from a backup, or create the Dataset anew"
    return Step(Reason.VOLUME_LOST, text, stalled=True, data_out_of_reach=True)


def volume_is_binding(case: Case) -> Step | None:
    """No Job before its claim is bound to the volume that was made with it: the scheduler puts a pod that comes sooner
    aside, and may not look at it again for five minutes (kubernetes/kubernetes#87145).
    """
    claim, job = case.seen.claim, case.job
    if not case.seen.storage.is_static or claim is None or claim.phase != "Pending":
        return None
    if job is not None and job.state == "active":
        return None
    waiting = claim_is_pending(case)
    return replace(waiting, data_out_of_reach=case.dataset.holds_data) if waiting is not None else None


def source_claim_is_missing(case: Case) -> Step | None:
    """A `claim` source reads from another claim, which may come later."""
    if case.dataset.source_kind != "claim" or case.seen.source_claim is not None:
        return None
    name = case.dataset.source["claim"]["name"]
    text = f"the source's claim {name} does not exist in this namespace: create it; preparation starts by itself"
    return Step(Reason.WAITING_FOR_VOLUME, text, reconciling=True)


def claim_is_pending(case: Case) -> Step | None:
    """The claim is made but not bound: normal for a moment, worth words after CLAIM_PATIENCE."""
    for claim, storage in ((case.seen.claim, case.seen.storage), (case.seen.source_claim, None)):
        if claim is not None and claim.phase == "Pending":
            age = (case.now - claim.created).total_seconds() if claim.created else 0.0
            if age < CLAIM_PATIENCE:
                text = f"claim {claim.name} is being provisioned" + words.kept(case.seen)
                return Step(Reason.PROVISIONING, text, reconciling=True, again_in=CLAIM_PATIENCE - age + 1)
            return Step(Reason.WAITING_FOR_VOLUME, words.claim_pending(claim, storage), reconciling=True)
    return None
