"""One TrainingRun for every reason its Succeeded condition may carry, brought there by the operator's own rules.

Used by test_run_tables.py: how it reads in `kubectl get`, whether the schema takes it, what waiting tools see.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blueno.resources.run_reasons import RunReason as R
from blueno.resources.training_report import CheckpointReport, TrainingReport
from controllers.training_run.running import UNMADE
from tests.unit.controllers.training_run.kueue import condition, says
from tests.unit.controllers.training_run.test_places import LOST
from tests.unit.controllers.training_run.test_run import RUNNING, WAITING_IMAGE, ended, started, unscheduled
from tests.unit.controllers.training_run.world import NOW, World

DATA = [{"name": "mnist"}, {"name": "digits"}]
OBJECTIVE = {"objective": {"name": "accuracy", "direction": "maximize"}}


def _pod(status: dict[str, Any], told: str = "", **spec: Any) -> World:
    """A run with a pod in this state; `told` is what Events say."""
    world = started(**spec)
    world.pod(world.job, **status)
    world.later(25)
    world.told = told
    world.settle()
    return world


def _over(kind: str, why: str, status: dict[str, Any], **spec: Any) -> World:
    """A run whose Job is over."""
    world = _pod(RUNNING, **spec)
    world.pod(world.job, "pod-2", **status)
    world.end_job(kind, why)
    world.settle()
    return world


def _pending() -> World:
    world = _pod(RUNNING)
    for suspend in (True, False):  # it is resumed while its pod still stops
        world.run["spec"]["suspend"] = suspend
        world.settle()
    return world


def _settled(world: World) -> World:
    world.settle()
    return world


def _no_version() -> World:
    world = World(datasets=[{"name": "mnist", "version": "ee" * 8}])
    world.dataset("mnist")
    return _settled(world)


def _not_sealed() -> World:
    world = World(datasets=[{"name": "mnist"}])
    del world.dataset("mnist")["status"]["version"]
    return _settled(world)


def _not_shared() -> World:
    world = World(datasets=[{"name": "mnist"}], numNodes=2)
    world.dataset("mnist")
    world.claim("mnist-claim", "ReadWriteOnce")
    return _settled(world)


def _queued() -> World:
    world = started(queueName="team", gpus={"count": 8}, numNodes=4)
    world.job["spec"]["suspend"] = True
    world.later(4)
    world.admission = says(condition("QuotaReserved", "False", "Inadmissible", "LocalQueue team doesn't exist"))
    return _settled(world)


def _no_quota() -> World:
    world = started()
    world.later(21)
    world.told = 'pods "train-0" is forbidden: exceeded quota: gpus, requested: pods=1, used: pods=4, limited: pods=4'
    return _settled(world)


def _running() -> World:
    world = started(datasets=DATA, gpus={"count": 2}, metrics=OBJECTIVE)
    world.pod(world.job, **RUNNING)
    point = CheckpointReport("/workspace/output/checkpoints/step-000000000042", 42, NOW)
    metrics = (("loss", "0.3123456"), ("accuracy", "0.9712345"))
    world.report = TrainingReport(1, NOW, 42, 3600, 42, metrics, point)
    return _settled(world)


def _suspended() -> World:
    return _settled(World(suspend=True))


def _cancelled() -> World:
    return _settled(World(cancel=True))


def _lost() -> World:
    world = started()
    world.later(UNMADE + 1)
    world.settle()
    world.remove(world.job)
    return _settled(world)


def _conflict() -> World:
    world = World()
    world.conflict("Job train-11111111-a1 exists and was not made for this object: delete or rename it")
    return world


def _preempted() -> dict[str, Any]:
    leaves = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    return {**ended(143), "conditions": [leaves]}


STATES: dict[R, Callable[[], World]] = {
    R.PENDING: _pending,
    R.DATASET_NOT_READY: lambda: _settled(World(datasets=DATA)),
    R.NO_SEALED_VERSION: _not_sealed,
    R.DATASET_VERSION_NOT_FOUND: _no_version,
    R.CHECKPOINT_NOT_READY: lambda: _settled(World(checkpoint={"resume": "From", "from": {"run": "first"}})),
    R.QUEUED: _queued,
    R.WAITING_FOR_QUOTA: _no_quota,
    R.INSUFFICIENT_GPU: lambda: _pod(unscheduled("0/3 nodes: 3 Insufficient nvidia.com/gpu."), gpus={"count": 2}),
    R.UNSCHEDULABLE: lambda: _pod(unscheduled("0/1 nodes are available: 1 node(s) were unschedulable.")),
    R.VOLUME_UNBOUND: lambda: _settled(World(output={"existingClaim": "results"})),
    R.VOLUME_NOT_SHARED: _not_shared,
    R.PULLING_IMAGE: lambda: _pod({"phase": "Pending"}, 'Pulling image "registry.example.org/train:1"'),
    R.IMAGE_PULL_FAILED: lambda: _pod(WAITING_IMAGE),
    R.STARTING: lambda: _pod({"phase": "Pending"}),
    R.RUNNING: _running,
    R.RESTARTING: lambda: _pod(ended(1), backoffLimit=3),
    R.PREEMPTED: lambda: _pod(_preempted()),
    R.NODE_LOST: lambda: _pod(LOST),
    R.SUSPENDED: _suspended,
    R.COMPLETED: lambda: _over("Complete", "", ended(0, "Completed")),
    R.USER_ERROR: lambda: _over("Failed", "BackoffLimitExceeded", ended(3)),
    R.SETUP_FAILED: lambda: _over("Failed", "BackoffLimitExceeded", _no_setup()),
    R.OUT_OF_MEMORY: lambda: _over("Failed", "BackoffLimitExceeded", ended(137, "OOMKilled")),
    R.DEADLINE_EXCEEDED: lambda: _over("Failed", "DeadlineExceeded", ended(143), activeDeadlineSeconds=3600),
    R.BACKOFF_LIMIT_EXCEEDED: lambda: _over("Failed", "BackoffLimitExceeded", ended(3), backoffLimit=1),
    R.CANCELLED: _cancelled,
    R.OUTCOME_LOST: _lost,
    R.NAME_CONFLICT: _conflict,
    R.INVALID_SPEC: lambda: _settled(World(args=["--lr", "$(params.lr)"])),
}


def _no_setup() -> dict[str, Any]:
    stopped = {"state": {"terminated": {"exitCode": 1, "message": "the outputs claim cannot be written (EACCES)"}}}
    return {"phase": "Failed", "initContainerStatuses": [stopped]}


def name_of(reason: R) -> str:
    """`UserError` → `user-error`, `InsufficientGPU` → `insufficient-gpu`."""
    word = reason.replace("GPU", "Gpu")
    return "".join(f"-{sign.lower()}" if sign.isupper() else sign for sign in word).lstrip("-")
