"""The sentences and status fields of a Dataset's Steps. Pure; used by decide.py and deletion.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from blueno import names
from blueno.resources.conditions import find
from blueno.resources.dataset import Dataset, Storage
from blueno.resources.outcome import Outcome, Progress
from blueno.resources.reasons import DatasetReason as Reason
from controllers.dataset.build import resources
from controllers.dataset.observe import ClaimView, JobView, Observed
from controllers.dataset.work import OPEN, SEALED, Wanted
from controllers.mounts import FAILED
from controllers.pods import silent_node
from controllers.step import Step

# Status fields that describe what lies on the volume, all gone when nothing does.
NO_VERSION: Final[Mapping[str, Any]] = {
    "version": None,
    "splits": None,
    "classes": None,
    "shapes": None,
    "samples": None,
    "badSamples": None,
    "working": None,
}

SPLITS: Final = 64  # that the schema has room for

# Stalled for these, a Dataset may have been beside its work's own failure; they are over when they are not decided.
_NOT_OF_THE_WORK: Final = (Reason.VOLUME_LOST, Reason.STORAGE_NOT_ALLOWED, Reason.NAME_CONFLICT)


def kept(seen: Observed) -> str:
    """A hint at claims that earlier Datasets of this name left behind."""
    if not seen.kept_claims:
        return ""
    listed = ", ".join(seen.kept_claims[:3])
    return (
        f"; claim {listed} of an earlier Dataset of this name was kept: to take its data over, name it in "
        "spec.storage.existingClaim together with its subPath; to be rid of it, delete it"
    )


def claim_lost(dataset: Dataset, name: str) -> str:
    """The claim that held a sealed version, or added samples, is gone."""
    held = "the sealed version" if dataset.version is not None else "the added samples"
    again = "to prepare everything again on a new claim"
    if dataset.source_kind == "upload":
        again = "to begin without the samples that were on it, on a new claim"
    text = f"claim {name}, which held {held}, is gone: restore it under this name, or set the annotation"
    return f"{text} {names.REQUESTED_AT} {again}"


def claim_pending(claim: ClaimView, storage: Storage | None) -> str:
    """A claim that stays Pending; `storage` is None for a user's own, which a source reads."""
    if storage is not None and storage.is_static:
        return f"claim {claim.name} is still Pending: `kubectl describe pvc {claim.name}` says why it is not bound"
    name = claim.storage_class or "the cluster's default class"
    text = f"claim {claim.name} is still Pending: does the storage class {name} exist and serve its access modes?"
    if storage is not None and storage.kind == "claimTemplate" and not storage.parameters.get("accessModes"):
        text += (
            " A class without ReadWriteMany needs spec.storage.claimTemplate.accessModes: [ReadWriteOnce]; or name a "
            "class that has it in storageClassName."
        )
    return text


def in_use(users: Sequence[str]) -> str:
    """Which runs hold up a deletion."""
    more = f" and {len(users) - 3} more" if len(users) > 3 else ""
    some = f"{len(users)} training runs use" if len(users) > 1 else "a training run uses"
    return f"being deleted, but {some} it: {', '.join(users[:3])}{more}; it goes by itself afterwards"


def place(storage: Storage) -> str:
    """Where data lie whose claim is gone."""
    if storage.kind == "nfs":
        return f"{storage.parameters['server']}:{storage.parameters['path']}"
    return "the managed NFS server" if storage.kind == "managedNFS" else f"the node, below {storage.parameters['path']}"


def is_about_claim(detail: str) -> bool:
    """Whether the scheduler waits for a volume rather than for a node."""
    return "persistentvolumeclaim" in detail.lower() or "volume binding" in detail.lower()


def told(step: Step, message: str) -> Step:
    """`step` with what an Event says. A volume that cannot be mounted has a reason of its own."""
    reason = Reason.WAITING_FOR_VOLUME if message.startswith(FAILED) else step.reason
    return replace(step, reason=reason, message=f"{step.message}: {message}")


def work_status(wanted: Wanted, outcome: str) -> dict[str, Any]:
    """`status.work` and the request it answers, written together."""
    work: dict[str, Any] = {"hash": wanted.hash, "attempt": wanted.attempt, "outcome": outcome}
    work["requestedAt"] = wanted.work.requested_at
    return {"work": work, "lastHandledRequest": wanted.handled_request}


def available(dataset: Dataset) -> str:
    """What can be used."""
    version = dataset.version or {}
    text = f"version {version.get('sequence')} ({str(version.get('digest'))[:8]}) with {version.get('samples')} samples"
    bad = (dataset.status.get("badSamples") or {}).get("count", 0)
    return f"{text} is sealed; {bad} bad samples were left out" if bad else f"{text} is sealed"


def accepting(dataset: Dataset, asked: bool) -> tuple[str, str]:
    """Reason and sentence while nothing is to be sealed; `asked`: somebody has asked for a seal, which found none."""
    if dataset.version is not None:
        return Reason.AVAILABLE, f"{available(dataset)}; the seal that was asked for found no samples, nothing changed"
    text = f"samples can be added; `blueno dataset seal {dataset.name}` makes the first version of them"
    return Reason.ACCEPTING_UPLOADS, f"{text}; the seal that was asked for found none" if asked else text


def meanwhile(dataset: Dataset, text: str) -> tuple[str, str]:
    """Reason and sentence of a data set that can be used while `text` goes on."""
    if dataset.version is not None:
        return Reason.AVAILABLE, f"{available(dataset)}; the next one: {text}"
    return Reason.ACCEPTING_UPLOADS, f"samples can be added; the first version: {text}"


def sealed(outcome: Outcome) -> str:
    """The same, at the moment of sealing."""
    text = f"version {outcome.sequence} ({outcome.digest[:8]}) with {outcome.samples} samples is sealed"
    return f"{text}; {outcome.bad_samples} bad samples were left out" if outcome.bad_samples else text


def open_status(wanted: Wanted) -> dict[str, Any]:
    """Everything status says of a volume that was proven to be ready, where there was nothing to seal."""
    return {**work_status(wanted, OPEN), "working": {"accepts": True}, "progress": None}


def sealed_status(wanted: Wanted, outcome: Outcome) -> dict[str, Any]:
    """Everything status says of a new version."""
    return {
        **work_status(wanted, SEALED),
        "version": {
            "digest": outcome.digest,
            "sequence": outcome.sequence,
            "samples": outcome.samples,
            "bytes": outcome.bytes,
            "sealedAt": outcome.sealed_at,
            "workingRevision": outcome.revision,
        },
        "working": {"accepts": outcome.writable},
        "splits": [{"name": name, "samples": samples} for name, samples in outcome.splits[:SPLITS]],
        "classes": outcome.classes,
        "shapes": list(outcome.shapes),
        "samples": outcome.samples,
        "badSamples": bad_samples(outcome),
        "progress": None,
    }


def bad_samples(outcome: Outcome) -> dict[str, Any]:
    """`status.badSamples`."""
    first = [{"key": key, "code": code} for key, code in outcome.bad_first]
    return {"count": outcome.bad_samples, "first": first}


def standing_failure(dataset: Dataset) -> tuple[str, str]:
    """What the Stalled condition says since the work failed."""
    stalled = find(dataset.conditions, "Stalled")
    if stalled is None or stalled.status != "True" or stalled.reason in _NOT_OF_THE_WORK:
        return Reason.PREP_FAILED, "preparation failed; ask again with the annotation blueno.dev/requested-at"
    return stalled.reason, stalled.message


def job_failure(job: JobView, dataset: Dataset) -> tuple[str, str]:
    """Reason and sentence for a Job that has given up."""
    pods = len(job.pods)
    last = job.pods[-1] if job.pods else None
    if job.failure == "DeadlineExceeded":
        text = "preparation took longer than spec.prepare.activeDeadlineSeconds: raise it; what was done is kept"
        return Reason.DEADLINE_EXCEEDED, text
    if job.outcome is not None:
        return job.outcome.code, job.outcome.message
    if last is not None and last.out_of_memory:
        times = sum(pod.out_of_memory for pod in job.pods)
        return Reason.PREP_OUT_OF_MEMORY, f"{_too_much_memory(dataset, times)}; what was done is kept"
    code = f"exit code {last.exit_code}" if last is not None and last.exit_code is not None else "no exit code"
    text = f"preparation ended without a result ({code}, {pods} pods); read `kubectl logs job/{job.name}`"
    return Reason.PREP_FAILED, text


def _too_much_memory(dataset: Dataset, times: int = 1) -> str:
    allowed = (resources(dataset).get("limits") or {}).get("memory", "what its node had")  # a changed one ends the Job
    often = f", {times} times" if times > 1 else ""
    return f"killed for using more memory than {allowed}{often}: raise spec.prepare.resources.limits.memory"


def running(job: JobView, progress: Progress | None, wanted: Wanted, dataset: Dataset) -> Step:
    """A Job at work: from the pod's own report when there is one, else from what its pods show."""
    last = job.pods[-1] if job.pods else None
    if last is not None and last.ended and last.outcome is not None:
        return Step(last.outcome.code, f"{last.outcome.message}; it will be tried again", reconciling=True)
    if last is not None and last.out_of_memory:
        return Step(Reason.PREP_OUT_OF_MEMORY, f"{_too_much_memory(dataset)}; it will be tried again", reconciling=True)
    if last is not None and last.ended:  # before `progress`: a dead pod's report would speak for it
        text = f"pod {last.name} ended without a result; it will be tried again"
        return Step(Reason.PREPARING, text, reconciling=True)
    if last is not None and last.lost:  # before `progress`, too: what it did since, nobody has heard
        return Step(Reason.NODE_LOST, silent_node(last, "the preparation"), reconciling=True)
    if progress is not None and (progress.work, progress.attempt) == (wanted.hash, wanted.attempt):
        return reported(progress)
    before = (dataset.status.get("progress") or {}).get("stage")
    if last is None or not last.started:
        return Step(before or Reason.PENDING, "waiting for the preparation pod to start", reconciling=True)
    return Step(before or Reason.PREPARING, "the preparation pod is running", reconciling=True)


def reported(progress: Progress) -> Step:
    """What a working pod says of itself."""
    if progress.waiting_code:
        return Step(progress.waiting_code, progress.waiting_message, reconciling=True)
    if progress.stage == Reason.WAITING_FOR_SPACE:
        return Step(Reason.WAITING_FOR_SPACE, progress.waiting_message or _no_room(progress), reconciling=True)
    return Step(progress.stage, _progress_text(progress), reconciling=True)


def _no_room(progress: Progress) -> str:
    return f"needs {size(progress.needed_bytes)}, {size(progress.free_bytes)} are free; it goes on when there is room"


def _progress_text(progress: Progress) -> str:
    if progress.stage == Reason.DOWNLOADING and progress.bytes_total:
        return f"{size(progress.bytes_done)} of {size(progress.bytes_total)}"
    if progress.samples_total:
        return f"{progress.samples_done} of {progress.samples_total} samples"
    return f"{progress.samples_done} samples" if progress.samples_done else "in progress"


def size(count: int) -> str:
    """Bytes for people, with binary units: 54525952 → "52 MiB"."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


def duration(seconds: int) -> str:
    """Seconds for people, at most two units: 130 → "2m10s"."""
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        minutes, rest = divmod(seconds, 60)
        return f"{minutes}m{rest}s" if rest and minutes < 10 else f"{minutes}m"
    hours, rest = divmod(seconds // 60, 60)
    return f"{hours}h{rest}m" if rest and hours < 24 else f"{hours}h"
