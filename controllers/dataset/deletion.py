"""What to do next for a Dataset that is being deleted while it carries a finalizer of ours. Pure, as decide.py.

`blueno.dev/in-use` is on a Dataset that training runs use: they end first. `blueno.dev/erase` is on every Dataset with
`reclaimPolicy: Delete`: data has to be erased before the object may go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from blueno import names
from blueno.resources.api import CLAIMS, DEPLOYMENTS, PODS, VOLUMES
from blueno.resources.conditions import find
from blueno.resources.dataset import Dataset
from blueno.resources.reasons import DatasetReason as Reason
from controllers.dataset import words
from controllers.dataset.build import build_erase_job, root_path
from controllers.dataset.managed import mend
from controllers.dataset.observe import ClaimView, Observed
from controllers.dataset.storage import CLAIM_PATIENCE
from controllers.step import Ref, Step
from controllers.world import World


@dataclass(frozen=True)
class Farewell:
    """A Dataset on its way out, with everything a rule may look at."""

    dataset: Dataset
    seen: Observed
    world: World
    now: datetime


LOOK_AGAIN = 20.0  # seconds between two questions about an erase pod that does not start

Rule = Callable[[Farewell], Step | None]


def runs_still_use_it(case: Farewell) -> Step | None:
    """Nothing is taken away under a run; no new one starts meanwhile, so this ends."""
    users = case.seen.users
    if users:
        before = find(case.dataset.conditions, "Ready")
        text = words.in_use(users)
        told = before is not None and before.reason == Reason.IN_USE
        return Step(Reason.IN_USE, text, reconciling=True, warning=None if told else (Reason.IN_USE, text))
    if names.IN_USE_FINALIZER not in case.dataset.finalizers:
        return None
    return Step(Reason.IN_USE, "no training run uses it any more", reconciling=True, in_use=False, again_in=0)


def data_is_kept(case: Farewell) -> Step | None:
    """reclaimPolicy was changed to Retain after all."""
    return None if case.dataset.wants_erase else _release("data kept: reclaimPolicy is Retain")


def data_server_still_runs(case: Farewell) -> Step | None:
    """It goes first of all: it may hold the claim, and shows what is about to be erased.

    Its Service goes with it: the garbage collector comes late by about as long as the API server was away.
    """
    server = case.seen.server
    if server is None or server.deleting:
        return None
    service = () if case.seen.service is None else (case.seen.service,)
    ref = Ref(DEPLOYMENTS, case.dataset.namespace, server.name, server.uid)
    return _erasing("stopping the data server", delete=(*service, ref))


def preparation_still_runs(case: Farewell) -> Step | None:
    """Nothing may write while we erase."""
    jobs = [job for job in (*case.seen.jobs, *case.seen.ingest_jobs) if job.state != "deleting"]
    if jobs:
        return _erasing("stopping the preparation", delete=tuple(job.ref for job in jobs))
    if any(pod.may_write(case.now) for pod in (*case.seen.pods(), *case.seen.ingest_pods)):
        return _erasing("waiting for the preparation pod to stop", again_in=5)
    return None


def data_server_still_stops(case: Farewell) -> Step | None:
    """The Deployment goes at once, its pods when the garbage collector has seen to them."""
    if case.seen.server is None and not any(pod.may_write(case.now) for pod in case.seen.server_pods):
        return None
    return _erasing("waiting for the data server to stop", again_in=5)


def claim_is_gone(case: Farewell) -> Step | None:
    """Gone already, or never made. What was prepared on a server or a node then stays there, and an Event says so."""
    claim, storage, job = case.seen.claim, case.seen.storage, case.seen.erase_job
    if claim is not None and not (claim.deleting and storage.is_static):
        return None
    erased = job is not None and job.state == "complete"
    if not storage.is_static or erased or not case.dataset.work.attempt:
        return _release("nothing to erase")
    path, place = root_path(case.dataset, storage), words.place(storage)
    text = f"its claim was deleted before anything could be erased: directory {path} stays on {place}"
    return replace(_release(text), warning=("DataKept", text))


def claim_holds_the_data(case: Farewell) -> Step | None:
    """A `claimTemplate` claim is ours alone: deleting it erases the data, by its storage class's rule."""
    claim = case.seen.claim
    if case.seen.storage.kind != "claimTemplate" or claim is None:
        return None
    if claim.deleting:
        return _erasing(f"claim {claim.name} is being deleted; it goes when no pod uses it any more")
    ref = Ref(CLAIMS, case.dataset.namespace, claim.name, claim.uid)
    return _erasing(f"deleting claim {claim.name}", delete=(ref,))


def server_is_missing(case: Farewell) -> Step | None:
    """No pod could mount a managed server that is gone: what of it is missing is made again, but never its claim."""
    server, claim, job = case.seen.nfs_server, case.seen.claim, case.seen.erase_job
    if server is None or claim is None or claim.deleting or (job is not None and job.state == "complete"):
        return None
    if server.claim is None:
        return _release("nothing to erase: the claim of its NFS server is gone")
    missing = mend(case.seen, case.dataset.namespace, case.world.config)
    return _erasing(f"making its {server} again", apply=missing, again_in=0) if missing else None


def directory_is_not_erased(case: Farewell) -> Step | None:
    """On a shared volume only the Dataset's own directory goes, by a Job."""
    job, claim = case.seen.erase_job, case.seen.claim
    if claim is None or claim.deleting:
        return None  # erased before, by the rule below, or taken away by its owner: no pod could mount it any more
    path = root_path(case.dataset, case.seen.storage)
    if job is None and (seconds := _binding(case, claim)) > 0:
        return _erasing(f"claim {claim.name} is being bound; its directory is erased then", again_in=seconds)
    if job is None:
        manifest = build_erase_job(case.dataset, case.seen, case.world)
        return _erasing(f"erasing {path}", apply=(manifest,), release_if_refused=True)
    if job.state == "failed":
        said = job.outcome.message if job.outcome is not None else f"see kubectl logs job/{job.name}"
        text = f"erasing {path} failed: {said}; delete Job {job.name} to try again, or set reclaimPolicy to Retain"
        return Step(Reason.ERASING, text, stalled=True)
    if job.state != "complete":
        detail = next((pod.detail for pod in reversed(job.pods) if pod.detail), "")
        step = _erasing(f"erasing {path}" + (f": {detail}" if detail else ""))
        silent = next((pod for pod in reversed(job.pods) if not pod.started and not pod.ended and not detail), None)
        if silent is None:
            return step
        return replace(step, ask=Ref(PODS, case.dataset.namespace, silent.name), again_in=LOOK_AGAIN)
    return None


def empty_volume_is_left(case: Farewell) -> Step | None:
    """Claim and PersistentVolume of a static kind hold nothing any more: they go, and the Dataset with them.

    The erase Job goes too: a claim stays as long as a pod names it, even one that has completed. It goes last: while
    it is there it tells that the data are erased.
    """
    claim, job = case.seen.claim, case.seen.erase_job
    if not case.seen.storage.is_static or claim is None:
        return None
    refs = [Ref(CLAIMS, case.dataset.namespace, claim.name, claim.uid)]
    if case.world.config.makes_volumes:
        refs.append(Ref(VOLUMES, None, names.volume_name(case.dataset.uid)))
    refs += [] if job is None or job.state == "deleting" else [job.ref]
    return replace(_release("erased"), delete=tuple(refs))


RULES: tuple[Rule, ...] = (
    runs_still_use_it,
    data_is_kept,
    data_server_still_runs,
    preparation_still_runs,
    data_server_still_stops,
    claim_is_gone,
    claim_holds_the_data,
    server_is_missing,
    directory_is_not_erased,
    empty_volume_is_left,
)


def decide_farewell(case: Farewell) -> Step:
    """The first rule that has something to say wins; silence means the object may go."""
    spoken = (rule(case) for rule in RULES)
    return next((step for step in spoken if step is not None), _release("erased"))


def _binding(case: Farewell, claim: ClaimView) -> float:
    """Seconds for which a claim may still be bound to its volume before a pod is made that needs it (storage.py)."""
    if not case.seen.storage.is_static or claim.phase != "Pending" or claim.created is None:
        return 0.0
    return CLAIM_PATIENCE - (case.now - claim.created).total_seconds()


def _release(message: str) -> Step:
    return Step(Reason.ERASING, message, reconciling=True, finalizer=False)


def _erasing(
    message: str,
    delete: tuple[Ref, ...] = (),
    apply: tuple[dict[str, Any], ...] = (),
    release_if_refused: bool = False,
    again_in: float | None = None,
) -> Step:
    return Step(
        Reason.ERASING,
        message,
        reconciling=True,
        delete=delete,
        apply=apply,
        release_if_refused=release_if_refused,
        again_in=again_in,
    )
