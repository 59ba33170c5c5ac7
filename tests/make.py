"""Objects for tests: each maker returns a plain, working one, and takes only what a test wants to be different."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from blueno import names
from blueno.config import OperatorConfig
from blueno.resources.api import JOBS, SERVICES
from blueno.resources.conditions import rfc3339
from blueno.resources.dataset import Dataset, Storage
from blueno.resources.outcome import Outcome, Progress
from blueno.resources.work import Work
from controllers.dataset.build import prepare_hash, short_hash
from controllers.dataset.nfs import DataClaim, NfsServerView, StatefulSetView
from controllers.dataset.observe import ClaimView, JobView, Observed, VolumeView
from controllers.heard import Heard
from controllers.pods import PodView
from controllers.servers import ServerView
from controllers.step import Ref
from controllers.world import World

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
UID = "0a1b2c3d-1111-4222-8333-444455556666"
SOURCE: Mapping[str, Any] = {"tfds": {"name": "mnist"}}
WORK = Work(SOURCE, {"type": "auto"})
UPLOAD: Mapping[str, Any] = {"upload": {}}
OPENING = Work(UPLOAD, {"type": "auto"})  # of a Dataset that takes uploads: its first work
OTHER = Work({"tfds": {"name": "mnist", "version": "3.0.1"}}, {"type": "auto"})  # another work of the same Dataset
IMAGE = "example.org/prep:1"
GRANT_KEYS = '{"operator": "PEM 3", "recorder": "PEM 2", "web": "PEM 1"}'
CLAIM = names.claim_name("mnist", UID)
VERSION: Mapping[str, Any] = {
    "digest": "1a2b3c4d" + "0" * 56,
    "sequence": 1,
    "samples": 70000,
    "bytes": 54525952,
    "sealedAt": "2026-03-01T11:00:00Z",
}
_versions = itertools.count(1000)


def before(seconds: float) -> datetime:
    """So many seconds ago."""
    return NOW - timedelta(seconds=seconds)


def a_body(
    name: str = "mnist",
    *,
    uid: str = UID,
    status: Mapping[str, Any] | None = None,
    meta: Mapping[str, Any] | None = None,
    requested_at: str | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A Dataset as the API server shows it; `spec` in the words of the spec (`reclaimPolicy="Delete"`)."""
    annotations = {names.REQUESTED_AT: requested_at} if requested_at is not None else {}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.DATASET_KIND,
        "metadata": {
            "name": name,
            "namespace": "lab",
            "uid": uid,
            "generation": 1,
            "resourceVersion": str(next(_versions)),
            "creationTimestamp": rfc3339(before(10)),
            "annotations": annotations,
            **(meta or {}),
        },
        "spec": {"source": dict(SOURCE), **spec},
        "status": dict(status) if status is not None else {"observedGeneration": -1},
    }


def a_dataset(name: str = "mnist", **changes: Any) -> Dataset:
    """The same, parsed; takes what `a_body` takes."""
    return Dataset.parse(a_body(name, **changes))


def a_status(outcome: str = "", attempt: int = 1, work: Work = WORK, **more: Any) -> dict[str, Any]:
    """Status of a Dataset whose work is known. Sealed ones have a version."""
    done: dict[str, Any] = {"hash": work.hash, "attempt": attempt, "outcome": outcome}
    if work.requested_at is not None:
        done["requestedAt"] = work.requested_at
    version = {"version": dict(VERSION), "samples": VERSION["samples"]} if outcome == "Sealed" else {}
    return {"observedGeneration": 1, "work": done, **version, **more}


def an_open_status(work: Work = OPENING, attempt: int = 1, **more: Any) -> dict[str, Any]:
    """Status of a Dataset that takes uploads and has no version yet."""
    return a_status("Open", attempt, work, working={"accepts": True}, **more)


def stalled(reason: str, message: str) -> dict[str, Any]:
    """A Stalled condition that is True."""
    return {"type": "Stalled", "status": "True", "reason": reason, "message": message}


def a_claim(name: str = CLAIM, **changes: Any) -> ClaimView:
    """A bound claim."""
    view = ClaimView(
        name=name,
        phase="Bound",
        storage_class="standard",
        capacity="10Gi",
        requested="10Gi",
        created=before(30),
        deleting=False,
        uid=f"uid-{name}",
        shared=True,
    )
    return replace(view, **changes)


def a_volume(**changes: Any) -> VolumeView:
    """The PersistentVolume of a static kind, bound to a_claim()."""
    name = names.volume_name(UID)
    return replace(VolumeView(name, f"uid-{name}", claim_uid=f"uid-{CLAIM}", deleting=False), **changes)


def an_nfs_server(**changes: Any) -> NfsServerView:
    """The managed NFS server of namespace lab, which serves."""
    made = before(300)
    view = NfsServerView(
        name="nfs-lab",
        namespace="blueno-storage",
        size="10Gi",
        taken="",
        claim=DataClaim("uid-data", "Bound", "fast", "10Gi", "10Gi", "", "", made, deleting=False),
        runner=StatefulSetView("uid-runner", 1, True, "earlier", made, deleting=False),
        pod=None,
        service_made=True,
        address="10.96.0.7",
        own_address="",
        known_address="10.96.0.7",
        sealed=(),
    )
    return replace(view, **changes)


def a_server(**changes: Any) -> ServerView:
    """A data server that runs, made from another template than today's."""
    name = names.data_server_name("mnist", UID)
    return replace(ServerView(name, f"uid-{name}", replicas=1, template="earlier", deleting=False), **changes)


def a_service() -> Ref:
    """The data server's Service."""
    name = names.data_server_name("mnist", UID)
    return Ref(SERVICES, "lab", name, f"uid-service-{name}")


def a_pod(name: str = "pod-1", **changes: Any) -> PodView:
    """A running pod."""
    view = PodView(
        name=name,
        phase="Running",
        node="node-1",
        trouble="",
        detail="",
        out_of_memory=False,
        exit_code=None,
        outcome=None,
        started=True,
        deleted=None,
        order=("2026-03-01T11:59:00Z", name),
    )
    return replace(view, **changes)


def an_ended_pod(outcome: Outcome | None = None, name: str = "pod-1", **changes: Any) -> PodView:
    """A pod that ended with `outcome`, or without a word."""
    done = outcome is not None and outcome.done
    given = {"exit_code": 0 if done else 1} | changes
    return a_pod(name, phase="Succeeded" if done else "Failed", outcome=outcome, **given)


def a_job(attempt: int = 1, work: Work = WORK, name: str = "", **changes: Any) -> JobView:
    """An active Job with one running pod. `said=Outcome(…)` gives it one ended pod instead."""
    name = name or names.prep_job_name("mnist", UID, work.hash, attempt)
    said = changes.pop("said", None)
    view = JobView(
        name=name,
        uid=f"uid-{name}",
        work=work.hash,
        attempt=attempt,
        prepare=prepare_hash(a_dataset()),
        image=short_hash(IMAGE),
        state="active",
        suspended=False,
        failure="",
        created=before(20),
        finished=None,
        pods=(an_ended_pod(said),) if said is not None else (a_pod(),),
        ref=Ref(JOBS, "lab", name, f"uid-{name}"),
    )
    return replace(view, **changes)


def observed(**changes: Any) -> Observed:
    """A bound claim from a template, and nothing else yet. `progress` and `index` are what was heard."""
    said = {key: changes.pop(key) for key in ("progress", "index") if key in changes}
    view = Observed(
        storage=Storage("claimTemplate", {"size": "10Gi"}),
        claim=a_claim(),
        name_taken=False,
        volume=None,
        source_claim=None,
        jobs=(),
        stray_pods=(),
        erase_job=None,
        kept_claims=(),
        server=None,
        service=None,
        server_pods=(),
        heard=Heard(**said),
        gone_owner="",
    )
    return replace(view, **changes)


def a_world(**config: Any) -> World:
    """An operator's settings; `config` in the words of OperatorConfig."""
    known = {"prep_image": IMAGE, **config}
    return World(OperatorConfig(**known), "c0ffee00-0000-4000-8000-000000000000", "-----CERT-----\n", GRANT_KEYS)


def sealed_outcome(**changes: Any) -> Outcome:
    """A version of 70,000 samples."""
    outcome = Outcome(
        sealed=True,
        digest=str(VERSION["digest"]),
        sequence=1,
        samples=70000,
        bytes=54525952,
        sealed_at="2026-03-01T11:00:00Z",
        splits=(("train", 60000), ("test", 10000)),
        classes=10,
        shapes=("28x28x1 uint8",),
        capacity_bytes=10 << 30,
        free_bytes=9 << 30,
    )
    return replace(outcome, **changes)


def open_outcome(**changes: Any) -> Outcome:
    """A volume that is ready for samples."""
    outcome = Outcome(sealed=False, opened=True, writable=True, capacity_bytes=10 << 30, free_bytes=9 << 30)
    return replace(outcome, **changes)


def failed_outcome(code: str = "ChecksumMismatch", message: str = "what happened", **changes: Any) -> Outcome:
    """A failure."""
    return replace(Outcome(sealed=False, code=code, message=message), **changes)


def a_report(stage: str = "Preparing", percentage: int = 40, **changes: Any) -> Progress:
    """What a pod reports of WORK's first attempt."""
    progress = Progress(WORK.hash, 1, stage, percentage, samples_done=28000, samples_total=70000)
    return replace(progress, **changes)
