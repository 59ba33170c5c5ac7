"""The rules for a run that has no Job yet, or none any more: what it waits for, and the start. Pure; see decide.py."""

from __future__ import annotations

from typing import Any

from blueno.resources.conditions import find
from blueno.resources.run_reasons import RunReason as Reason
from controllers.step import Step
from controllers.training_run import words
from controllers.training_run.build import build_job, build_outputs_claim, build_service
from controllers.training_run.case import Case
from controllers.training_run.environment import own_checkpoints

STOPPING = "an earlier attempt's pod is stopping; this one starts then"


def has_no_job(case: Case) -> bool:
    """Before the first attempt, and between two."""
    return case.under_way is None and case.run.job_name is None


def apart(case: Case) -> dict[str, Any]:
    """`status.outputs` with checkpoints where a pod that was given up does not write; {} when there is none."""
    pod, outputs, following = case.given_up, words.uses(case)["outputs"], case.run.attempt + 1
    if pod is None or case.run.keeping.resume == "Never":  # then they are apart in any case
        return {}
    if outputs["checkpoints"] in [own_checkpoints(number) for number in range(pod.attempt + 1, following + 1)]:
        return {}
    return {"outputs": outputs | {"checkpoints": own_checkpoints(following)}}


def old_pod_may_write(case: Case) -> Step | None:
    """On a node that is lost. Before anything is waited for: the pod may be forgotten by then."""
    status, pod = apart(case), case.given_up
    if not has_no_job(case) or not status or pod is None:
        return None
    text = f"node {pod.node} does not answer: the next attempt keeps its checkpoints apart"
    return Step(Reason.PENDING, text, reconciling=True, status=status, again_in=0)


def earlier_attempt_goes_on(case: Case) -> Step | None:
    """Status has given it up; now its Job goes. In this order an operator that dies in between knows why."""
    going = tuple(job.ref for job in case.seen.jobs if job.state == "active") if has_no_job(case) else ()
    said = find(case.run.conditions, "Succeeded")
    if not going or said is None:
        return None
    return Step(said.reason, said.message, reconciling=True, delete=going, again_in=5)


def datasets_are_not_ready(case: Case) -> Step | None:
    """No Job before every data set has the version; for later attempts it need not be Ready, too."""
    if not has_no_job(case):
        return None
    views = [view for view in case.seen.datasets if not (view.claim and (view.digest or view.pinned))]
    unknown = [view for view in views if view.ready and view.sealed and view.use.version]
    if unknown:
        return Step(Reason.DATASET_VERSION_NOT_FOUND, words.no_such_version(unknown))
    unsealed = [view for view in views if view.ready and not view.sealed]
    if unsealed:
        return Step(Reason.NO_SEALED_VERSION, words.not_sealed(unsealed))
    return Step(Reason.DATASET_NOT_READY, words.not_ready(views)) if views else None


def volume_is_not_shared(case: Case) -> Step | None:
    """Several nodes cannot have a ReadWriteOnce claim at the same time: the second pod would wait for ever."""
    views = [view for view in case.seen.datasets if view.claim and not view.shared]
    if not views or case.run.team.nodes == 1 or not has_no_job(case):
        return None
    status = {"completionTime": words.time_of(case.now), "jobRef": None}
    return Step(Reason.VOLUME_NOT_SHARED, words.not_shared(case.run, views[0]), stalled=True, status=status)


def datasets_are_being_deleted(case: Case) -> Step | None:
    """Nothing begins on a Dataset that goes; but a run that uses it already goes on to its end, attempt by attempt."""
    unready = (Reason.DATASET_NOT_READY, Reason.NO_SEALED_VERSION, Reason.DATASET_VERSION_NOT_FOUND)
    if not has_no_job(case) or (case.run.attempt and case.run.reason not in (Reason.SUSPENDED, *unready)):
        return None
    going = [view for view in case.seen.datasets if view.deleting]
    return Step(Reason.DATASET_NOT_READY, words.not_ready(going)) if going else None


def earlier_run_has_no_checkpoint(case: Case) -> Step | None:
    """`spec.checkpoint.from`: needed for the first attempt; later ones go on from their own."""
    earlier = case.seen.earlier
    if earlier is None or not has_no_job(case) or case.run.status.get("checkpoint"):
        return None
    if not earlier.exists:
        return Step(Reason.CHECKPOINT_NOT_READY, f"run {earlier.name}, whose checkpoint it begins with, does not exist")
    if earlier.claim and earlier.claim != case.run.keeping.claim:
        text = f"run {earlier.name} writes to claim {earlier.claim}: say so in spec.output.existingClaim of a new run"
        return Step(Reason.CHECKPOINT_NOT_READY, text)
    if not earlier.checkpoint:
        return Step(Reason.CHECKPOINT_NOT_READY, f"run {earlier.name} has reported no checkpoint yet")
    return None


def profile_is_unknown(case: Case) -> Step | None:
    """Heals when an administrator adds the profile."""
    profile, known = case.run.placement.profile, case.world.config.accelerator_profiles
    if profile is None or profile in known or not has_no_job(case):
        return None
    there = f"known are {', '.join(sorted(known))}" if known else "none are configured in this cluster"
    text = f"spec.acceleratorProfile {profile} is not in the operator's BLUENO_ACCELERATOR_PROFILES: {there}"
    return Step(Reason.UNSCHEDULABLE, text, again_in=60)


def outputs_are_going(case: Case) -> Step | None:
    """A claim that is being deleted takes no new pods."""
    if not has_no_job(case):
        return None
    claim = case.run.keeping.claim
    if case.seen.outputs.deleting:
        text = f"claim {claim} is being deleted: it is needed for the outputs"
    elif case.seen.outputs.phase == "Lost":
        text = f"claim {claim} has lost its volume: restore the volume or delete the claim"
    elif not case.seen.outputs.phase and not case.run.keeping.own_claim:
        text = f"claim {claim} of spec.output.existingClaim does not exist: create it"
    else:
        return None
    return Step(Reason.VOLUME_UNBOUND, text, again_in=3)  # no claim knows whose outputs it will hold


def job_has_not_started(case: Case) -> Step | None:
    """The first attempt, or the next one after a suspension, a failure or a lost node."""
    if not has_no_job(case):
        return None
    if case.stopping:
        return Step(Reason.PENDING, STOPPING, again_in=5)
    run, attempt = case.run, case.next
    job = build_job(attempt, case.world)
    made = [job]
    if run.team.nodes > 1 and not case.seen.service_made:
        made.insert(0, build_service(run))
    if not case.seen.outputs.phase:
        made.insert(0, build_outputs_claim(run.namespace, case.world))
    status = words.attempt(attempt.number, job["metadata"]["name"]) | words.uses(case)
    text = f"starting attempt {attempt.number}"
    # The first attempt says nothing yet: its pod is likely to run before anybody has looked.
    quiet = run.observed_generation < 0
    hold = tuple(view.ref for view in case.seen.datasets if view.ref is not None)
    return Step(
        *(Reason.PENDING, text), reconciling=True, hold=hold, apply=tuple(made), status=status, quiet=quiet, again_in=0
    )
