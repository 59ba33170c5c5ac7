"""The status a Dataset gets from what was decided: conditions, progress, summary. Pure; called by kind.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from blueno.resources.conditions import Condition, advance, find, parse_time, rfc3339
from blueno.resources.dataset import EARLIER_VERSIONS, Dataset, holds_data
from blueno.resources.outcome import Progress
from controllers.dataset import words
from controllers.dataset.build import root_path
from controllers.dataset.indexed import project_index
from controllers.dataset.managed import describe
from controllers.dataset.observe import Observed, claim_name
from controllers.dataset.users import used_by
from controllers.dataset.work import FAILED, Wanted
from controllers.diff import flag
from controllers.step import Step

PROGRESS_SECONDS = 5.0  # at most one write of progress in this time


def project_status(dataset: Dataset, seen: Observed | None, wanted: Wanted | None, step: Step, now: datetime) -> Any:
    """The whole status as it should be; `seen` and `wanted` are None when the spec could not be understood."""
    status: dict[str, Any] = {key: value for key, value in dataset.status.items() if value is not None}
    status.update(step.status)
    if seen is not None:
        status.update(_volume(dataset, seen, status))
    if wanted is not None and "work" not in step.status:
        status.update(_adopted_work(dataset, seen, wanted))
    told = _progress(dataset, seen, wanted, step, now)
    if told.get("progress") and seen is not None and seen.heard.progress is not None:
        status["volume"] = {**status["volume"], **room(seen.heard.progress)}
    step = _unhurried(dataset, seen, wanted, step, told)
    status.update(told)
    status["earlierVersions"] = _earlier(dataset, status)
    status = {key: value for key, value in status.items() if value is not None}
    status["observedGeneration"] = (
        dataset.observed_generation if _retry_waits(dataset, step, status) else dataset.generation
    )
    status["summary"] = summary(dataset, status)
    if seen is not None:
        status["usedBy"] = used_by(dataset, seen.users, now)[0]
    index, indexed = project_index(dataset, seen.heard.index if seen is not None else None, status.get("version"))
    status = {key: value for key, value in {**status, "index": index}.items() if value is not None}
    made = [*_conditions(dataset, seen, step, status), indexed]
    status["conditions"] = [c.to_dict() for c in advance(dataset.conditions, made, now)]
    return status


def _earlier(dataset: Dataset, status: Mapping[str, Any]) -> list[str] | None:
    """Digests of the versions before the current one, newest first; None while there are none."""
    before = (dataset.status.get("version") or {}).get("digest")
    current = (status.get("version") or {}).get("digest")
    known = list(dict.fromkeys([*([before] if before else []), *(dataset.status.get("earlierVersions") or ())]))
    return [digest for digest in known if digest != current][:EARLIER_VERSIONS] or None


def summary(dataset: Dataset, status: Mapping[str, Any]) -> dict[str, str]:
    """What JSONPath columns cannot make: sizes, short digests, percent with ETA, the source in a word."""
    version, progress = status.get("version") or {}, status.get("progress") or {}
    texts = {"source": source_text(dataset.source)}
    if version:
        texts["size"] = words.size(version["bytes"])
        texts["version"] = f"{version['sequence']} ({version['digest'][:8]})"
    if progress:
        remaining = progress.get("estimatedRemainingSeconds")
        left = f" {words.duration(remaining)}" if remaining is not None else ""
        texts["progress"] = f"{progress['percentage']}%{left}"
    return texts


def source_text(source: Mapping[str, Any]) -> str:
    """The source in a word: "tfds:mnist", "archive:digits.tar.gz +1", "claim:photos/2019", "upload"."""
    kind, parameters = next(iter(source.items()))
    if kind == "upload":
        return str(kind)
    if kind == "archive":
        files = parameters["files"]
        last = str(files[0]["url"]).rstrip("/").rpartition("/")[2].partition("?")[0]
        more = f" +{len(files) - 1}" if len(files) > 1 else ""
        return f"archive:{last[:60]}{more}"
    name = str(parameters["name"])
    detail = parameters.get("config") if kind == "tfds" else parameters.get("path")
    return f"{kind}:{name}/{detail}"[:120] if detail else f"{kind}:{name}"


def _conditions(dataset: Dataset, seen: Observed | None, step: Step, status: Mapping[str, Any]) -> list[Condition]:
    generation = dataset.generation
    usable = holds_data(status) and not step.data_out_of_reach and dataset.deleting_since is None
    ready = step.ready or usable
    reason, message = str(step.reason), step.message
    if usable and not step.ready:
        reason, message = words.meanwhile(dataset, step.message)
    sealed = status.get("version") is not None
    prepared = ("True", "Sealed", "a sealed version lies on the volume") if sealed else ("False", step.reason, message)
    return [
        Condition("Ready", "True" if ready else "False", reason, message, generation=generation),
        Condition("Prepared", *prepared, generation=generation),
        _volume_condition(seen, generation),
        flag("Reconciling", step.reconciling, step, generation),
        flag("Stalled", step.stalled, step, generation),
    ]


def _retry_waits(dataset: Dataset, step: Step, status: Mapping[str, Any]) -> bool:
    """A spec changed after a failure asks for a retry (work.py) until it was made: till then it was not acted on."""
    return step.reconciling and dataset.work.outcome == FAILED and status.get("work") == dataset.status.get("work")


def _volume_condition(seen: Observed | None, generation: int) -> Condition:
    claim = seen.claim if seen is not None else None
    if claim is None:
        return Condition("VolumeReady", "False", "ClaimMissing", "the claim does not exist yet", generation=generation)
    if claim.phase == "Bound":
        server = seen.nfs_server if seen is not None else None
        text = f"claim {claim.name} is bound" + (f"; {describe(server)}" if server is not None else "")
        return Condition("VolumeReady", "True", "Bound", text, generation=generation)
    return Condition("VolumeReady", "False", f"Claim{claim.phase}", f"claim {claim.name}", generation=generation)


def _volume(dataset: Dataset, seen: Observed, status: Mapping[str, Any]) -> dict[str, Any]:
    """`status.volume` and `status.resolved`: what the spec left to the cluster."""
    volume = dict(status.get("volume") or {})
    volume |= {"claimName": claim_name(dataset, seen.storage), "path": root_path(dataset, seen.storage)}
    if not holds_data(status):
        volume.pop("claimUID", None)
    elif seen.holder is not None:
        volume.setdefault("claimUID", seen.holder)
    outcome = next((job.outcome for job in reversed(seen.jobs) if job.outcome and job.outcome.capacity_bytes), None)
    # A pod at work says it itself; what an earlier one said at its end is older.
    works = bool(seen.jobs) and any(pod.started and not pod.ended and pod.outcome is None for pod in seen.jobs[-1].pods)
    if outcome is not None and not works:
        volume |= {"capacityBytes": outcome.capacity_bytes, "freeBytes": outcome.free_bytes}
    resolved = dict(status.get("resolved") or {}) | {"storage": seen.storage.kind}
    if seen.claim is not None and seen.claim.storage_class:
        resolved["storageClassName"] = seen.claim.storage_class
    return {"volume": volume, "resolved": resolved}


def _adopted_work(dataset: Dataset, seen: Observed | None, wanted: Wanted) -> dict[str, Any]:
    """A Job that status does not know of yet (the operator died between the two writes), or an idle request."""
    if (dataset.work.hash, dataset.work.attempt) == (wanted.hash, wanted.attempt):
        idle = not wanted.outcome and wanted.handled_request is not None
        return {"lastHandledRequest": wanted.handled_request} if idle else {}
    made = [(job.work, job.attempt) for job in seen.jobs] if seen is not None else []
    return words.work_status(wanted, wanted.outcome) if (wanted.hash, wanted.attempt) in made else {}


def _progress(
    dataset: Dataset, seen: Observed | None, wanted: Wanted | None, step: Step, now: datetime
) -> dict[str, Any]:
    """`status.progress`: at most one write in PROGRESS_SECONDS unless the stage changes; never backwards in a work."""
    old = dataset.status.get("progress") or {}
    report = seen.heard.progress if seen is not None else None
    if "progress" in step.status or report is None or wanted is None or not step.reconciling:
        return {"progress": None} if not step.reconciling else {}
    if (report.work, report.attempt) != (wanted.hash, wanted.attempt):
        return {}
    updated = parse_time(old.get("lastUpdatedTime", ""))
    fresh = updated is not None and (now - updated).total_seconds() < PROGRESS_SECONDS
    if old.get("stage") == report.stage and fresh:
        return {}
    return {"progress": progress_fields(report, old if dataset.work.hash == wanted.hash else {}, now)}


def room(report: Progress) -> dict[str, int]:
    """Of `status.volume`: what a working pod sees of its volume."""
    if not report.capacity_bytes:
        return {}
    return {"capacityBytes": report.capacity_bytes, "freeBytes": report.free_bytes}


def _unhurried(
    dataset: Dataset, seen: Observed | None, wanted: Wanted | None, step: Step, told: Mapping[str, Any]
) -> Step:
    """What only repeats a report with newer numbers is not said before the next write of progress."""
    before, report = find(dataset.conditions, "Reconciling"), seen.heard.progress if seen is not None else None
    if told or before is None or report is None or wanted is None or before.status != "True":
        return step
    ours = (report.work, report.attempt) == (wanted.hash, wanted.attempt)
    same = ours and before.reason == step.reason == report.stage and step.message == words.reported(report).message
    return replace(step, message=before.message) if same else step


def progress_fields(report: Progress, old: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """`status.progress` for a report, given what it said before of the same work."""
    return {
        "stage": report.stage,
        "percentage": max(report.percentage, old.get("percentage", 0)),
        "estimatedRemainingSeconds": report.estimated_remaining_seconds,
        "shardsDone": report.shards_done,
        "shardsTotal": report.shards_total,
        "samplesDone": report.samples_done,
        "lastUpdatedTime": rfc3339(now),
    }
