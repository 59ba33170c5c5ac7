"""What is the case for one Dataset, in plain words. Reads the cache only; called by controllers/dataset/kind.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from blueno import names
from blueno.config import OperatorConfig
from blueno.resources.api import CLAIMS, JOBS, PODS, SERVICES, VOLUMES
from blueno.resources.conditions import parse_time
from blueno.resources.dataset import Dataset, Storage
from blueno.resources.outcome import Outcome
from controllers.cache import Body, Cache, owner_uid
from controllers.dataset.nfs import NfsServerView, observe_server
from controllers.heard import Heard
from controllers.jobs import belongs, ended_conditions, pods_of, state_of
from controllers.pods import PodView, view_pod
from controllers.servers import ServerView, view_server
from controllers.step import Ref


@dataclass(frozen=True)
class ClaimView:
    """A claim: `phase` is Pending, Bound or Lost."""

    name: str
    phase: str
    storage_class: str
    capacity: str
    requested: str  # size that was asked for
    created: datetime | None
    deleting: bool
    uid: str
    shared: bool  # many nodes may have it at the same time


@dataclass(frozen=True)
class VolumeView:
    """The PersistentVolume that the operator made. `claim_uid` is "" until a claim is bound to it."""

    name: str
    uid: str
    claim_uid: str
    deleting: bool


@dataclass(frozen=True)
class JobView:
    """One Job of ours. `state` is active, complete, failed or deleting."""

    name: str
    uid: str
    work: str
    attempt: int
    prepare: str  # what it was made from: build.prepare_hash
    image: str  # hash of the image's name
    state: str
    suspended: bool
    failure: str  # the Job controller's reason: BackoffLimitExceeded, DeadlineExceeded, PodFailurePolicy
    created: datetime | None
    finished: datetime | None
    pods: tuple[PodView, ...]
    ref: Ref

    @property
    def outcome(self) -> Outcome | None:
        """What its latest pod to end said, if it said anything; a seal beats whatever came after it."""
        said = [pod.outcome for pod in self.pods if pod.ended or pod.outcome is not None]
        return next((o for o in said if o is not None and o.done), said[-1] if said else None)

    @property
    def has_failed_for_good(self) -> bool:
        """Whether its last pod ended with a failure that no retry can mend."""
        last = self.pods[-1] if self.pods else None
        said = last.outcome if last is not None and last.ended else None
        return said is not None and not said.done and said.permanent


@dataclass(frozen=True)
class Observed:
    """Everything `decide` may look at besides the Dataset itself."""

    storage: Storage
    claim: ClaimView | None
    name_taken: bool  # a claim that is not ours has the name that ours would have
    volume: VolumeView | None  # ours, of a static kind
    source_claim: ClaimView | None  # of a `claim` source
    jobs: tuple[JobView, ...]  # preparation, by attempt
    stray_pods: tuple[PodView, ...]  # whose Job is gone
    erase_job: JobView | None
    kept_claims: tuple[str, ...]  # of earlier Datasets of this name
    server: ServerView | None
    service: Ref | None  # the data server's
    server_pods: tuple[PodView, ...]
    heard: Heard
    gone_owner: str  # uid of a deleted Dataset that owns the directory, as the last attempt found out; else ""
    nfs_server: NfsServerView | None = None  # of the namespace, for a managedNFS Dataset
    users: tuple[str, ...] = ()  # names of the TrainingRuns that use it now
    ingest_jobs: tuple[JobView, ...] = ()  # of its Samples: they end before it goes
    ingest_pods: tuple[PodView, ...] = ()
    run_waits: bool = False  # one of them has a pod without a node, and the claim is one node's at a time

    @property
    def holder(self) -> str | None:
        """uid of the claim on which the data lie: the server's for managedNFS, where ours only leads to it."""
        if self.nfs_server is not None:
            return self.nfs_server.claim.uid if self.nfs_server.claim is not None else None
        return self.claim.uid if self.claim is not None else None

    def pods(self) -> tuple[PodView, ...]:
        """All preparation pods."""
        return (*self.stray_pods, *(pod for job in self.jobs for pod in job.pods))


def observe(cache: Cache, dataset: Dataset, config: OperatorConfig, heard: Heard) -> Observed:
    """Gather what concerns `dataset`."""
    storage = dataset.storage or config.default_storage
    found = cache.children(JOBS.kind, dataset.uid)
    jobs = [_view_job(cache, body) for body in found if not _ingests(body)]
    ordered = sorted((job for job in jobs if job.work), key=lambda job: job.attempt)
    claim = cache.named(CLAIMS.kind, dataset.namespace, claim_name(dataset, storage))
    taken = claim is not None and storage.kind != "existingClaim" and owner_uid(claim) != dataset.uid
    return Observed(
        storage=storage,
        claim=None if taken else _view_claim(claim),
        name_taken=taken,
        volume=_view_volume(cache.named(VOLUMES.kind, "", names.volume_name(dataset.uid))),
        source_claim=_source_claim(cache, dataset),
        jobs=tuple(ordered),
        stray_pods=_stray_pods(cache, dataset.uid, {job.uid for job in jobs}),
        erase_job=next((job for job in jobs if not job.work), None),
        kept_claims=_kept_claims(cache, dataset) if not dataset.holds_data else (),  # a walk over all claims
        server=view_server(cache, dataset.uid),
        service=_view_service(cache, dataset.uid),
        server_pods=tuple(view_pod(pod) for pod in cache.children(PODS.kind, dataset.uid) if _serves(pod)),
        ingest_jobs=tuple(_view_job(cache, body) for body in found if _ingests(body)),
        ingest_pods=tuple(view_pod(pod) for pod in cache.children(PODS.kind, dataset.uid) if _ingests(pod)),
        heard=heard,
        gone_owner=_gone_owner(cache, ordered),
        nfs_server=observe_server(cache, dataset, storage, config),
    )


def claim_name(dataset: Dataset, storage: Storage) -> str:
    """Name of the claim the data lies on, ours or the user's."""
    if storage.kind == "existingClaim":
        return str(storage.parameters["name"])
    return names.claim_name(dataset.name, dataset.uid)


def _view_service(cache: Cache, uid: str) -> Ref | None:
    made = (body["metadata"] for body in cache.children(SERVICES.kind, uid))
    return next((Ref(SERVICES, meta["namespace"], meta["name"], meta["uid"]) for meta in made), None)


def _stray_pods(cache: Cache, owner: str, job_uids: set[str]) -> tuple[PodView, ...]:
    pods = [pod for pod in cache.children(PODS.kind, owner) if not _serves(pod) and not _ingests(pod)]
    return tuple(view_pod(pod) for pod in pods if not any(belongs(pod, uid) for uid in job_uids))


def _gone_owner(cache: Cache, jobs: list[JobView]) -> str:
    owners = [job.outcome.owner for job in jobs if job.outcome is not None and job.outcome.owner]
    return owners[-1] if owners and cache.get(names.DATASET_KIND, owners[-1]) is None else ""


def _source_claim(cache: Cache, dataset: Dataset) -> ClaimView | None:
    if dataset.source_kind != "claim":
        return None
    return _view_claim(cache.named(CLAIMS.kind, dataset.namespace, dataset.source["claim"]["name"]))


def _kept_claims(cache: Cache, dataset: Dataset) -> tuple[str, ...]:
    def is_kept(body: Body) -> bool:
        meta = body["metadata"]
        marks = meta.get("labels") or {}
        return (
            meta["namespace"] == dataset.namespace
            and marks.get(names.DATASET_LABEL) == names.label_value(dataset.name)
            and marks.get(names.ROLE_LABEL) == names.ROLE_DATA
            and marks.get(names.OWNER_UID) != dataset.uid
            and not is_static(body)
            and not meta.get("deletionTimestamp")
        )

    return tuple(sorted(body["metadata"]["name"] for body in cache.all(CLAIMS.kind) if is_kept(body)))


def is_static(claim: Body) -> bool:
    """Whether this claim of ours is bound to a PersistentVolume of ours: it holds no data, it leads to them."""
    owner = owner_uid(claim)
    return owner is not None and claim["spec"].get("volumeName") == names.volume_name(owner)


def _view_volume(body: Body | None) -> VolumeView | None:
    if body is None:
        return None
    meta = body["metadata"]
    held = (body["spec"].get("claimRef") or {}).get("uid") or ""
    return VolumeView(meta["name"], meta["uid"], held, bool(meta.get("deletionTimestamp")))


def _view_claim(body: Body | None) -> ClaimView | None:
    if body is None:
        return None
    meta, status = body["metadata"], body["status"]
    return ClaimView(
        name=meta["name"],
        phase=status.get("phase", "Pending"),
        storage_class=body["spec"].get("storageClassName") or "",
        capacity=(status.get("capacity") or {}).get("storage", ""),
        requested=((body["spec"].get("resources") or {}).get("requests") or {}).get("storage", ""),
        created=parse_time(meta.get("creationTimestamp", "")),
        deleting=bool(meta.get("deletionTimestamp")),
        uid=meta["uid"],
        shared="ReadWriteMany" in (body["spec"].get("accessModes") or ()),
    )


def _view_job(cache: Cache, body: Body) -> JobView:
    meta, ended = body["metadata"], ended_conditions(body)
    last = ended.get("Complete") or ended.get("Failed") or {}
    return JobView(
        name=meta["name"],
        uid=meta["uid"],
        work=meta["labels"].get(names.WORK_LABEL, ""),
        attempt=int(meta["labels"].get(names.ATTEMPT_LABEL, "0")),
        prepare=meta["labels"].get(names.PREPARE_LABEL, ""),
        image=meta["labels"].get(names.IMAGE_LABEL, ""),
        state=state_of(body),
        suspended=bool(body["spec"].get("suspend")),
        failure=ended["Failed"].get("reason", "") if "Failed" in ended else "",
        created=parse_time(meta.get("creationTimestamp", "")),
        finished=parse_time(last.get("lastTransitionTime", "")),
        pods=pods_of(meta["uid"], cache.children(PODS.kind, meta["labels"][names.OWNER_UID])),
        ref=Ref(JOBS, meta["namespace"], meta["name"], meta["uid"]),
    )


def _serves(pod: Body) -> bool:
    return (pod["metadata"].get("labels") or {}).get(names.ROLE_LABEL) == names.ROLE_SERVE


def _ingests(body: Body) -> bool:
    return (body["metadata"].get("labels") or {}).get(names.ROLE_LABEL) == names.ROLE_INGEST
