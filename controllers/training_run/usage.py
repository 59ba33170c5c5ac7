"""What a run took: `status.usage`. Pure; called by kind.py with what was decided, calls nothing.

Time counts from the moment a node takes a pod until its last container has ended, busy or not: for so long nobody else
could have its GPUs. It is counted when an attempt ends, in a write that is made anyway: a run that trains costs none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from blueno.resources.api import JOBS
from blueno.resources.conditions import find, parse_time
from blueno.resources.run_reasons import RunReason as Reason
from blueno.resources.training_run import TrainingRun
from controllers.pods import PodView
from controllers.step import Step
from controllers.training_run.case import Case
from controllers.training_run.observe import RunJob

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Usage:
    """Of one attempt, or several: GPUs times seconds, and seconds in which at least one pod had its node."""

    gpu_seconds: int
    wall_seconds: int


def measure(pods: Iterable[PodView], gpus: int, now: datetime) -> Usage:
    """From the pods of a run, each with `gpus`; one per node, so several nodes count by themselves."""
    spans = [span for pod in pods if (span := _span(pod, now)) is not None]
    held = sum((end - begin).total_seconds() for begin, end in spans)
    return Usage(round(held * gpus), round(_union(spans)))


def count_usage(case: Case, step: Step) -> Step:
    """`step` with `status.usage` if it ends an attempt; as it is otherwise."""
    attempt = case.job.attempt if case.job is not None else case.run.attempt
    if not attempt or case.run.ended or not _ends_attempt(case.run, step):
        return step
    gpus = case.run.placement.gpus.count
    everybody = (*case.seen.stray_pods, *(pod for job in case.seen.jobs for pod in job.pods))
    pods = [pod for pod in everybody if pod.attempt == attempt]
    took = measure(pods, gpus, case.now)
    if not any(pod.placed for pod in pods):
        wall = _without_pods(case.run, case.job, case.now)
        took = Usage(wall * case.run.team.nodes * gpus, wall)
    return replace(step, status={**step.status, "usage": add(case.run.status.get("usage") or {}, attempt, took)})


def add(known: Mapping[str, Any], attempt: int, took: Usage) -> dict[str, int]:
    """`status.usage` with what an attempt took. Doing it twice is doing it once, and it never becomes less.

    `before` and `wallBefore` are what the attempts before `attempt` took: the same attempt can be counted again when
    more is known of it, for instance how long its pod needed to stop.
    """
    gpu, wall = known.get("gpuSeconds", 0), known.get("wallSeconds", 0)
    before, wall_before = gpu, wall
    if known.get("attempt") == attempt:
        before, wall_before = known.get("before", 0), known.get("wallBefore", 0)
    return {
        "gpuSeconds": max(before + took.gpu_seconds, gpu),
        "wallSeconds": max(wall_before + took.wall_seconds, wall),
        "attempt": attempt,
        "before": before,
        "wallBefore": wall_before,
    }


def _ends_attempt(run: TrainingRun, step: Step) -> bool:
    """Over, at rest, followed by the next one, or just being stopped: its pods may be gone the next time we look."""
    stops = any(ref.resource == JOBS for ref in step.delete)
    suspended = step.reason == Reason.SUSPENDED and (run.reason != Reason.SUSPENDED or not step.reconciling)
    return step.ready or step.stalled or stops or suspended or bool(step.apply)


def _span(pod: PodView, now: datetime) -> Span | None:
    """While the pod had its node. One whose node is lost had it until its grace period was over."""
    if pod.placed is None:
        return None
    end = pod.over or (min(pod.deleted, now) if pod.deleted is not None else now)
    return pod.placed, max(end, pod.placed)


def _without_pods(run: TrainingRun, job: RunJob | None, now: datetime) -> int:
    """Seconds of an attempt whose pods are gone already: by the time they were ready, or else by their Job's times."""
    ready = find(run.conditions, "PodsReady")
    begin = parse_time(ready.since) if ready is not None and ready.status == "True" else None
    if begin is None and job is not None and job.state in ("complete", "failed"):
        begin = job.created
    if begin is None:
        return 0
    end = job.finished if job is not None and job.finished is not None else now
    return max(0, round((end - begin).total_seconds()))


def _union(spans: Sequence[Span]) -> float:
    """Seconds that at least one of the spans covers."""
    covered, until = 0.0, None
    for begin, end in sorted(spans):
        start = begin if until is None or begin > until else until
        if end > start:
            covered += (end - start).total_seconds()
        until = end if until is None else max(until, end)
    return covered
