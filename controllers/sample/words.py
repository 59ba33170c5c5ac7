"""What a Sample's status says, in sentences for people. Pure; called by decide.py."""

from __future__ import annotations

from typing import Any

from blueno.resources.ingest import Result
from blueno.resources.sample import Sample
from blueno.resources.sample_reasons import SampleReason as Reason
from controllers.sample.case import Case
from controllers.sample.observe import DatasetView, JobView
from controllers.step import Step


def told(sample: Sample, result: Result, dataset: DatasetView | None) -> Step:
    """The status that a pod's Result leads to."""
    status: dict[str, Any] = {"lastHandledRequest": result.request or None}
    if dataset is not None:
        status["datasetUID"] = dataset.uid
    ready = result.reason in (Reason.AVAILABLE, Reason.PARTLY_AVAILABLE)
    if ready or result.samples:
        status |= _content(result)
    first = [{"key": key, "code": code} for key, code in result.first]
    status["rejected"] = {"count": result.rejected, "first": first} if result.rejected else None
    text = _available(result, sample) if ready else result.message or str(result.reason)
    reconciling = not ready and not result.permanent
    stalled = not ready and result.permanent
    return Step(result.reason, text, ready=ready, reconciling=reconciling, stalled=stalled, status=status)


def trouble(case: Case, job: JobView) -> Step | None:
    """What keeps the Job's pod from starting: things that can heal while everybody waits."""
    pod = job.pods[-1] if job.pods else None
    if pod is None or not pod.trouble or pod.started:
        return None
    if pod.trouble == "image":
        reason, text = Reason.IMAGE_PULL_FAILED, f"the node cannot get the image {case.world.config.prep_image}"
    elif pod.trouble == "unschedulable":
        reason, text = Reason.UNSCHEDULABLE, "no node takes the ingest pod"
    else:
        reason, text = Reason.INGEST_FAILED, "the ingest pod cannot start"
    reason = Reason.REMOVING if case.sample.deleting else reason
    return Step(reason, f"{text}: {pod.detail}", reconciling=True)


def job_failed(job: JobView) -> str:
    """Of a Job that did nothing for anybody."""
    said = job.message or f"see kubectl logs job/{job.ref.name}"
    return f"ingest Job {job.ref.name} ended without result, the next one follows: {said}"


def _content(result: Result) -> dict[str, Any]:
    return {
        "samples": result.samples,
        "bytes": result.bytes,
        "key": result.key or None,
        "digest": result.digest or None,
        "shape": result.shape or None,
        "dtype": result.dtype or None,
    }


def _available(result: Result, sample: Sample) -> str:
    if sample.manifest is None:
        return f"in the working set of {sample.dataset} as {result.key}"[:400]
    taken = f"{result.samples} samples are in the working set of {sample.dataset}"
    if not result.rejected:
        return taken
    first = "; ".join(f"{key} ({code})" for key, code in result.first)
    return f"{taken}, {result.rejected} were rejected: {first}"
