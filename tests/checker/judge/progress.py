"""After healing an object has ended, is at work, or waits with a reason and a date. Nothing is stuck."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from blueno import names
from blueno.resources.reasons import DATASET_REASONS
from blueno.resources.run_reasons import RUN_REASONS
from tests.checker.finding import Finding, Invariant
from tests.checker.snapshot import Objects, Snapshot, called, condition, is_live, job_over, label, pod_ended

Body = Mapping[str, Any]

# Reasons that say that a Job is at work, or about to be.
_DATASET_WORKS = {"Pending", "Downloading", "Preparing", "Publishing"}
_RUN_WORKS = {"Pending", "Starting", "Running", "Restarting", "Preempted", "PullingImage"}


def judge(snapshot: Snapshot) -> Iterator[Finding]:
    """Only of what is at rest: in motion nothing can be told."""
    if not snapshot.at_rest or snapshot.objects is None:
        return
    for body in snapshot.objects.ours():
        if body["metadata"].get("deletionTimestamp"):
            continue  # deletion.py
        yield from _flags(body)
        if body["kind"] == names.SAMPLE_KIND:
            yield from _sample(body)
            continue
        of_kind = _dataset if body["kind"] == names.DATASET_KIND else _run
        yield from of_kind(body, snapshot.objects)


def _flags(body: Body) -> Iterator[Finding]:
    observed, generation = (
        (body.get("status") or {}).get("observedGeneration", -1),
        body["metadata"].get("generation", 1),
    )
    if observed != generation:
        yield _stuck(called(body), f"generation {generation} was not acted on, the last one that was is {observed}")
    if all(condition(body, kind).get("status") == "True" for kind in ("Reconciling", "Stalled")):
        yield _stuck(called(body), "says that it goes on and that it does not")


def _sample(body: Body) -> Iterator[Finding]:
    """At rest it is in, or a person must act, or it says what it waits for."""
    ready = condition(body, "Ready")
    if not ready:
        yield _stuck(called(body), "nobody has said anything about it")
        return
    told = [condition(body, kind).get("status") == "True" for kind in ("Ready", "Stalled", "Reconciling")]
    if not any(told):
        yield _stuck(called(body), f"is not Ready ({ready['reason']}), and nothing goes on")


def _dataset(body: Body, objects: Objects) -> Iterator[Finding]:
    ready, status = condition(body, "Ready"), body.get("status") or {}
    if not ready:
        yield _stuck(called(body), "nobody has said anything about it")
        return
    stalled, moving = (condition(body, kind).get("status") == "True" for kind in ("Stalled", "Reconciling"))
    work = status.get("work") or {}
    if work.get("outcome") == "Failed" and not stalled:
        yield _stuck(called(body), "its work has failed, and nothing is Stalled")
    yield from _unheard(body, objects, work.get("attempt", 0), work.get("outcome") or "")
    if stalled:
        return
    if not moving:
        if ready["status"] != "True" and ready["reason"] != "Suspended":
            yield _stuck(called(body), f"is not Ready ({ready['reason']}), and nothing goes on")
        return
    said = condition(body, "Reconciling")
    yield from _waits(body, said, objects, work.get("attempt", 0), _DATASET_WORKS)


def _run(body: Body, objects: Objects) -> Iterator[Finding]:
    said, status = condition(body, "Succeeded"), body.get("status") or {}
    attempt = status.get("attempt", 0)
    if not said:
        yield _stuck(called(body), "nobody has said anything about it")
    elif said["status"] != "Unknown":
        if not status.get("completionTime"):
            yield _stuck(called(body), "is over and does not say since when")
        for job in objects.owned("Job", body["metadata"]["uid"]):
            if is_live(job):
                yield _stuck(called(body), f"is over ({said['reason']}), and {called(job)} still runs")
    elif condition(body, "Suspended").get("status") != "True":
        yield from _unheard(body, objects, attempt, "")
        yield from _waits(body, said, objects, attempt, _RUN_WORKS)


def _unheard(body: Body, objects: Objects, attempt: int, outcome: str) -> Iterator[Finding]:
    """The end of a Job that nobody has taken note of."""
    if outcome:
        return
    for job in objects.owned("Job", body["metadata"]["uid"]):
        if job_over(job) and label(job, names.ATTEMPT_LABEL) == str(attempt):
            yield _stuck(called(body), f"{called(job)} is {job_over(job)}, and its status does not say so")


def _waits(body: Body, said: Body, objects: Objects, attempt: int, works: set[str]) -> Iterator[Finding]:
    """At work by a live Job of the current attempt, or waiting for something that can heal, since a time."""
    reason = said["reason"]
    if not said.get("lastTransitionTime") or not said.get("message"):
        yield _stuck(called(body), f"waits ({reason}) without a date or a sentence")
    if not objects.asked("Job"):
        return
    jobs = [job for job in objects.owned("Job", body["metadata"]["uid"]) if is_live(job)]
    pods = [pod for pod in objects.owned("Pod", body["metadata"]["uid"]) if not pod_ended(pod)]
    if pods or any(label(job, names.ATTEMPT_LABEL) == str(attempt) for job in jobs):
        return
    if reason in works:
        yield _stuck(
            called(body), f"is {reason} (attempt {attempt}), and neither a Job of that attempt nor a pod is there"
        )
    known = DATASET_REASONS if body["kind"] == names.DATASET_KIND else RUN_REASONS
    documented = {str(word): doc for word, doc in known.items()}.get(reason)
    if documented is not None and not documented.healable:
        yield _stuck(called(body), f"waits with reason {reason}, which nothing but a person heals")


def _stuck(about: str, sentence: str) -> Finding:
    return Finding(Invariant.PROGRESS, about, sentence)
