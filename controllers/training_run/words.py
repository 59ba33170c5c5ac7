"""The sentences and status fields of a TrainingRun's Steps. Pure; used by the rules and kind.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from blueno import names
from blueno.resources.accelerator import AcceleratorProfile
from blueno.resources.conditions import Condition, rfc3339
from blueno.resources.run_reasons import RunReason as Reason
from blueno.resources.scrub import scrub
from blueno.resources.training_run import TrainingRun
from controllers.pods import PodView
from controllers.step import Ref, Step
from controllers.training_run.case import Case
from controllers.training_run.observe import DatasetView, RunJob
from controllers.training_run.place import placed

NAMED = 3  # data sets in one sentence
LAST_LINES, LINE_CHARACTERS = 10, 200  # of status.failure.lastLines


def time_of(moment: datetime) -> str:
    """As status writes times."""
    return rfc3339(moment)


def over(succeeded: Condition, again_in: float | None = None, delete: tuple[Ref, ...] = ()) -> Step:
    """What was said at the end, said again."""
    good = succeeded.status == "True"
    return Step(succeeded.reason, succeeded.message, ready=good, stalled=not good, delete=delete, again_in=again_in)


def attempt(number: int, job: str) -> dict[str, Any]:
    """`status.attempt` and `status.jobRef`, written together."""
    return {"attempt": number, "jobRef": {"name": job}}


def uses(case: Case) -> dict[str, Any]:
    """`status.datasets` and `status.outputs`: what it reads and where it writes."""
    pinned, kept = case.pinned, case.run.status.get("outputs") or {}
    path = names.output_dir(case.run.name, case.run.uid)
    used = [{"name": use.name, "digest": pinned[use.name]} for use in case.run.datasets if pinned.get(use.name)]
    outputs = {"checkpoints": names.CHECKPOINTS_DIR, **kept, "claimName": case.run.keeping.claim, "path": path}
    return {"datasets": used or None, "outputs": outputs}


def not_ready(waiting: Sequence[DatasetView]) -> str:
    """Which data sets a run waits for, and what they say."""
    named = "; ".join(f"data set {view.use.name}: {view.says}" for view in waiting[:NAMED])
    more = f"; and {len(waiting) - NAMED} more" if len(waiting) > NAMED else ""
    return f"{named}{more}; the run starts by itself"


def no_such_version(unknown: Sequence[DatasetView]) -> str:
    """Which versions are not there."""
    named = "; ".join(f"data set {view.use.name} has no version {view.use.version[:16]}" for view in unknown[:NAMED])
    return f"{named}: `kubectl get dataset {unknown[0].use.name} -o yaml` shows those it has; make a new run with one"


def not_sealed(unsealed: Sequence[DatasetView]) -> str:
    """Which data sets only take samples so far."""
    listed = [view.use.name for view in unsealed]
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    some = f"data sets {', '.join(listed[:NAMED])}{more} have" if len(listed) > 1 else f"data set {listed[0]} has"
    return f"{some} no sealed version yet: `blueno dataset seal {listed[0]}`; the run starts by itself afterwards"


def not_shared(run: TrainingRun, view: DatasetView) -> str:
    """A run on several nodes and a claim for one."""
    return (
        f"spec.numNodes is {run.team.nodes}, but claim {view.claim} of data set {view.use.name} is ReadWriteOnce: one "
        "node at a time can have it. Make a new run with numNodes 1, or the data set anew on a ReadWriteMany class"
    )


def completed(job: RunJob) -> str:
    """How long it took."""
    pod = job.last
    finished = job.finished or (pod.ended_at if pod is not None else None)
    if job.created is None or finished is None:
        return "exit code 0"
    return f"exit code 0 after {_duration(int((finished - job.created).total_seconds()))}"


def end(case: Case, job: RunJob) -> dict[str, Any]:
    """Times, attempt and uses of a run that is over."""
    pod = job.last
    finished = job.finished or (pod.ended_at if pod is not None else None) or case.now
    ended = attempt(job.attempt, job.name) | uses(case) | {"completionTime": rfc3339(finished)}
    if case.run.started is None and job.created is not None:
        ended["startTime"] = rfc3339(job.created)
    return ended | {"restarts": restarts(case.run, job)}


def restarts(run: TrainingRun, job: RunJob) -> int:
    """Pods of this attempt that were replaced. An evicted one is gone before the next is there: status has its name."""
    now = {pod.name for pod in job.pods}
    same = run.job_name == job.name
    before = set(run.status.get("pods") or ()) if same else set()
    counted = run.status.get("restarts", 0) if same else 0
    return max(0, counted + len(before | now) - max(run.team.nodes, len(before)))


def culprit(run: TrainingRun, job: RunJob) -> PodView | None:
    """The pod that brought the Job down: of those that failed by themselves, else of all, the last one.

    Of several nodes the one that failed first: the others end because of it.
    """
    failed = [pod for pod in job.pods if pod.exit_code or pod.setup_failed or pod.node_says]
    if failed and run.team.nodes > 1:
        ends = {pod.name: pod.ended_at or pod.over for pod in failed}
        return min(failed, key=lambda pod: (ends[pod.name] is None, ends[pod.name]))
    return failed[-1] if failed else job.last


def was_refused(run: TrainingRun, job: RunJob) -> bool:
    """Whether the attempt ended because a node would not take its pod."""
    pod = culprit(run, job) if job.state == "failed" and job.failure != "DeadlineExceeded" else None
    return pod is not None and pod.refused and not pod.disrupted


def refusals(run: TrainingRun, jobs: Sequence[RunJob]) -> int:
    """How many of the latest attempts in a row were refused. Where a Job is gone nobody knows, and it ends the row."""
    row = 0
    for job in reversed(jobs):
        if job.attempt != jobs[-1].attempt - row or not was_refused(run, job):
            break
        row += 1
    return row


def failure(run: TrainingRun, job: RunJob) -> tuple[str, str]:
    """Reason and sentence for a Job that has given up."""
    pod = culprit(run, job)
    if job.failure == "DeadlineExceeded":
        text = f"it took longer than spec.activeDeadlineSeconds ({run.limits.active_deadline_seconds} s)"
        return Reason.DEADLINE_EXCEEDED, text
    if pod is not None and pod.setup_failed:
        said = pod.setup or pod.node_says or "no last words; read its log"
        return Reason.SETUP_FAILED, f"before the training began: {said}"
    if pod is not None and pod.out_of_memory:
        limit = ((run.placement.resources.get("limits") or {}).get("memory")) or "the node's"
        text = f"killed for using more memory than allowed ({limit}): raise spec.resources.limits.memory"
        return Reason.OUT_OF_MEMORY, text
    if pod is not None and pod.refused:
        look = f"see `kubectl describe pod {pod.name}`"
        return Reason.USER_ERROR, f"node {pod.node} would not take the pod, again and again ({pod.node_says}); {look}"
    how, look = f"with {_code(pod)}", f"read `kubectl logs job/{job.name}`"
    if pod is not None and pod.node_says:
        how, look = f"because of node {pod.node} ({pod.node_says})", f"see `kubectl describe pod {pod.name}`"
        if pod.node_says.startswith("Evicted"):  # it filled a disk; for want of memory it would be tried again
            look = f"large files belong below {names.OUTPUT_MOUNT}, and spec.shmSize is the size of /dev/shm"
    if run.limits.backoff_limit:
        times = run.failures + 1 if run.team.nodes > 1 else len(job.pods)
        return Reason.BACKOFF_LIMIT_EXCEEDED, f"failed {times} times, the last time {how}; {look}"
    return Reason.USER_ERROR, f"the process ended {how}; {look}"


def failure_status(reason: str, run: TrainingRun, job: RunJob) -> dict[str, Any]:
    """`status.failure`."""
    pod = culprit(run, job)
    if pod is None:
        return {"failure": {"reason": reason}}
    code = {} if pod.exit_code is None else {"exitCode": pod.exit_code}
    said = last_lines(pod.said or pod.setup)
    return {"failure": {"reason": reason, "pod": pod.name, **code, **({"lastLines": said} if said else {})}}


def last_lines(text: str) -> list[str]:
    """The end of a log for people: without empty lines, control characters and what looks like a secret."""
    lines = ["".join(sign for sign in line if sign.isprintable()).rstrip() for line in scrub(text).splitlines()]
    return [line[:LINE_CHARACTERS] for line in lines if line][-LAST_LINES:]


def why_ended(pod: PodView | None) -> str:
    """A pod that is going to be replaced."""
    if pod is None:
        return "a pod was lost"
    if pod.disrupted:
        return f"pod {pod.name} had to leave node {pod.node} ({pod.node_says or pod.disrupted})"
    if pod.refused:
        return f"node {pod.node} did not take pod {pod.name} ({pod.node_says})"
    if pod.node_says:
        return f"node {pod.node} ended pod {pod.name} ({pod.node_says})"
    if pod.out_of_memory:
        return f"pod {pod.name} used more memory than allowed"
    if pod.cut_short:
        return f"pod {pod.name} was told to end"
    return f"pod {pod.name} ended with {_code(pod)}"


def preempted(pod: PodView | None) -> bool:
    """Whether a pod with a higher priority has taken its place."""
    return pod is not None and pod.disrupted == "PreemptionByScheduler"


def trouble(run: TrainingRun, pod: PodView, profiles: Mapping[str, AcceleratorProfile]) -> tuple[str, str]:
    """Why a pod does not start, in words a person can act on."""
    if pod.trouble == "image":
        return Reason.IMAGE_PULL_FAILED, _unpulled(run, pod.detail)
    if pod.trouble == "container":
        return Reason.STARTING, f"the container cannot start: {pod.detail}"
    gpus, detail = placed(run.placement, profiles).gpus, pod.detail.lower()
    if gpus.count and f"insufficient {gpus.resource_name}" in detail:
        kind = f"{gpus.product} " if gpus.product else ""
        return Reason.INSUFFICIENT_GPU, f"needs {gpus.count} {kind}{gpus.resource_name} on one node: {pod.detail}"
    if "persistentvolumeclaim" in detail or "volume binding" in detail:
        return Reason.VOLUME_UNBOUND, f"waits for a claim: {pod.detail}"
    if "pod affinity rules" in detail:
        text = f"a data set's claim is ReadWriteOnce: the pod has to go to the node that has it. {pod.detail}"
        return Reason.UNSCHEDULABLE, text
    if gpus.product and "affinity" in detail:
        text = f"no node has the GPU {gpus.product} (label nvidia.com/gpu.product): {pod.detail}"
        return Reason.INSUFFICIENT_GPU, text
    return Reason.UNSCHEDULABLE, f"no node takes the pod: {pod.detail}"


def running(run: TrainingRun, job: RunJob) -> Step:
    """A Job at work, from what its pods show."""
    nodes = run.team.nodes
    if not job.pods:  # no other words than for a pod that was made: they would be a write for every run of a crowd
        return Step(Reason.STARTING, "the pod is starting", reconciling=True)
    if nodes > 1:
        started = sum(pod.started and pod.phase != "Failed" for pod in job.pods)  # a rank may be done before the others
        if started == nodes:
            return Step(Reason.RUNNING, f"{nodes} pods run")
        return Step(Reason.STARTING, f"{started} of {nodes} pods run", reconciling=True)
    pod = job.pods[-1]
    if pod.ended:
        reason = Reason.PREEMPTED if preempted(pod) else Reason.RESTARTING
        return Step(reason, f"{why_ended(pod)}; it is tried again", reconciling=True)
    if not pod.started:
        return Step(Reason.STARTING, "the pod is starting", reconciling=True)
    return Step(Reason.RUNNING, f"pod {pod.name} runs on node {pod.node}" if pod.node else f"pod {pod.name} runs")


def refused(message: str) -> tuple[str, str]:
    """Reason and sentence when the API server does not accept the Job or its pods."""
    reason = Reason.WAITING_FOR_QUOTA if "quota" in message.lower() else Reason.PENDING
    return reason, f"the API server refuses what has to be made: {message}"


def told(run: TrainingRun, step: Step, message: str) -> tuple[str, str]:
    """Reason and sentence of `step` with what an Event says."""
    if "exceeded quota" in message:
        return Reason.WAITING_FOR_QUOTA, f"waiting for the pod to be made: {message}"
    text = f"{step.message}: {message}"
    if message.startswith("Failed to pull image"):  # the pod's own status may say so ten seconds later
        return Reason.IMAGE_PULL_FAILED, _unpulled(run, message)
    if message.startswith("Pulling image"):
        return Reason.PULLING_IMAGE, f"the node is fetching the image: {message}"
    if "MountVolume" in message or "mount" in message.lower() or "claim" in message.lower():
        return Reason.VOLUME_UNBOUND, text
    return step.reason, text


def _code(pod: PodView | None) -> str:
    return f"exit code {pod.exit_code}" if pod is not None and pod.exit_code is not None else "no exit code"


def _unpulled(run: TrainingRun, detail: str) -> str:
    secrets = f" and the pull secrets {', '.join(run.container.pull_secrets)}" if run.container.pull_secrets else ""
    return f"the node cannot get {run.container.image}: {detail}; check spec.image{secrets}"


def _duration(seconds: int) -> str:
    minutes, rest = divmod(max(0, seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
