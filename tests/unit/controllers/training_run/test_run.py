"""What the operator does for a TrainingRun, step by step."""

from __future__ import annotations

import json
from typing import Any

import pytest

from blueno import names
from controllers.training_run.running import UNMADE
from tests.unit.controllers.training_run.world import DIGEST, UID, World

WAITING_IMAGE = {
    "phase": "Pending",
    "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}],
}
RUNNING = {"phase": "Running", "containerStatuses": [{"state": {"running": {"startedAt": "2026-11-24T12:00:05Z"}}}]}


def unscheduled(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [condition]}


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    phase = "Succeeded" if code == 0 else "Failed"
    return {"phase": phase, "containerStatuses": [{"state": {"terminated": {"exitCode": code, "reason": reason}}}]}


def started(**spec: Any) -> World:
    """A run whose first Job was made."""
    world = World(**spec)
    for entry in spec.get("datasets", ()):
        world.dataset(entry["name"])
    world.settle()
    return world


def test_waits_for_its_data_sets_without_a_write_to_anything_else() -> None:
    world = World(datasets=[{"name": "mnist"}])
    step = world.settle()
    assert (step.apply, step.delete) == ((), ())
    assert world.condition("Succeeded") == ("Unknown", "DatasetNotReady")
    assert world.condition("Reconciling")[0] == "False"  # `helm --wait` need not wait for it
    assert "it does not exist" in world.run["status"]["pending"]["message"]
    world.dataset("mnist", ready=False)
    world.settle()
    assert "data set mnist: Preparing" in world.run["status"]["pending"]["message"]


def test_starts_when_the_data_set_is_ready_and_pins_its_version() -> None:
    world = World(datasets=[{"name": "mnist"}])
    world.settle()
    world.dataset("mnist")
    world.settle()
    assert world.run["status"]["datasets"] == [{"name": "mnist", "digest": DIGEST}]
    assert world.run["status"]["jobRef"] == {"name": "train-11111111-a1"}
    assert world.run["status"]["attempt"] == 1
    assert world.condition("Succeeded") == ("Unknown", "Starting")
    assert world.plan()[1] == {}  # and nothing more is written until something happens


def test_a_newer_version_does_not_change_a_run_that_has_begun() -> None:
    world = World(datasets=[{"name": "mnist"}])
    world.dataset("mnist")
    world.step()  # pinned
    world.dataset("mnist", digest="cd" * 32)
    world.settle()
    (mount,) = [m for m in container(world)["volumeMounts"] if m["name"] == "dataset-0"]
    assert mount["subPath"] == f"lab/mnist-1234/versions/{DIGEST[:16]}"


def test_an_operator_killed_after_the_job_was_made_makes_no_second_one() -> None:
    world = World()
    world.step()
    world.run["status"] = {"observedGeneration": -1}  # the status was never written
    world.later(UNMADE + 1)
    step = world.settle()
    assert step.apply == ()
    assert world.run["status"]["jobRef"] == {"name": "train-11111111-a1"}
    assert sum(kind == "Job" for kind, _ in world.objects) == 1


def test_runs_then_completes() -> None:
    world = started()
    pod = world.pod(world.job, **RUNNING)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Running")
    assert world.condition("PodsReady")[0] == "True"
    assert "pending" not in world.run["status"]
    assert world.run["status"]["nodes"] == ["node1"]
    pod["status"] = ended(0, "Completed")
    world.end_job("Complete")
    world.settle()
    assert world.condition("Succeeded") == ("True", "Completed")
    assert world.run["status"]["startTime"] == "2026-11-24T12:00:00Z"
    assert world.run["status"]["completionTime"] == "2026-11-24T12:10:00Z"
    assert "nodes" not in world.run["status"]
    world.remove(world.job)
    assert world.plan()[1] == {}  # the outcome stays when the Job is gone


@pytest.mark.parametrize(
    ("spec", "pod", "job", "reason", "words"),
    [
        ({}, ended(3), "BackoffLimitExceeded", "UserError", "exit code 3"),
        ({"backoffLimit": 2}, ended(3), "BackoffLimitExceeded", "BackoffLimitExceeded", "exit code 3"),
        ({}, ended(137, "OOMKilled"), "BackoffLimitExceeded", "OutOfMemory", "limits.memory"),
        ({"activeDeadlineSeconds": 60}, ended(143), "DeadlineExceeded", "DeadlineExceeded", "60 s"),
    ],
)
def test_failures(spec: dict[str, Any], pod: dict[str, Any], job: str, reason: str, words: str) -> None:
    world = started(**spec)
    world.pod(world.job, **pod)
    world.end_job("Failed", job)
    world.settle()
    assert world.condition("Succeeded") == ("False", reason)
    assert world.condition("Stalled") == ("True", reason)
    failure = world.run["status"]["failure"]
    assert (failure["reason"], failure["pod"]) == (reason, "pod-1")
    message = next(c["message"] for c in world.run["status"]["conditions"] if c["type"] == "Succeeded")
    assert words in message


def test_a_replaced_pod_is_a_restart() -> None:
    world = started(backoffLimit=2)
    world.pod(world.job, "pod-1", **ended(1))
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Restarting")
    world.pod(world.job, "pod-2", **RUNNING)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Running")
    assert world.run["status"]["restarts"] == 1


@pytest.mark.parametrize(
    ("spec", "pod", "reason", "words"),
    [
        ({}, WAITING_IMAGE, "ImagePullFailed", "registry.example.org/train:1"),
        (
            {"gpus": {"count": 2}},
            unscheduled("0/1 nodes: 1 Insufficient nvidia.com/gpu."),
            "InsufficientGPU",
            "needs 2",
        ),
        (
            {"gpus": {"count": 1, "product": "L4"}},
            unscheduled("node(s) didn't match affinity"),
            "InsufficientGPU",
            "L4",
        ),
        ({}, unscheduled("0/1 nodes are available: 1 Insufficient cpu."), "Unschedulable", "cpu"),
        ({}, unscheduled('persistentvolumeclaim "x" not found'), "VolumeUnbound", "claim"),
    ],
)
def test_why_it_waits(spec: dict[str, Any], pod: dict[str, Any], reason: str, words: str) -> None:
    world = started(**spec)
    body = world.pod(world.job, **pod)
    world.later(4)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", reason)
    assert world.run["status"]["pending"]["reason"] == reason
    assert words in world.run["status"]["pending"]["message"]
    assert world.condition("Stalled")[0] == "False"
    body["status"] = RUNNING
    world.settle()
    assert "pending" not in world.run["status"]


def test_events_are_asked_when_no_pod_appears() -> None:
    world = started()
    assert world.step().ask is None
    world.later(4)
    step = world.step()
    assert step.ask is not None
    assert step.ask.name == "train-11111111-a1"
    world.told = 'pods "train" is forbidden: exceeded quota: gpus'
    world.step()
    assert world.condition("Succeeded") == ("Unknown", "WaitingForQuota")


def test_an_image_that_cannot_be_had_is_told_before_the_pod_says_so() -> None:
    world = started(imagePullSecrets=[{"name": "registry"}])
    world.later(4)
    world.told = 'Failed to pull image "train:1": not found'
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "ImagePullFailed")
    message = next(c["message"] for c in world.run["status"]["conditions"] if c["type"] == "Succeeded")
    assert message.endswith("not found; check spec.image and the pull secrets registry")


def test_the_happy_path_is_a_job_and_two_writes() -> None:
    world = World()
    assert world.step().apply
    assert world.run["status"] == {"observedGeneration": -1}  # nothing is said yet
    assert world.plan()[1] == {}
    pod = world.pod(world.job, **RUNNING)
    assert world.plan()[1]
    world.settle()
    assert world.plan()[1] == {}
    pod["status"] = ended(0, "Completed")
    world.settle()
    assert world.plan()[1] == {}


def test_a_pod_replaced_before_it_ran_is_counted_and_where_it_starts_is_told_when_it_runs() -> None:
    world = World()
    world.step()
    world.later(UNMADE + 1)
    world.settle()
    first = world.pod(world.job, "pod-1", phase="Pending")
    world.settle()
    assert world.run["status"]["pods"] == ["pod-1"]
    assert "nodes" not in world.run["status"]
    assert world.plan()[1] == {}
    world.remove(first)
    world.pod(world.job, "pod-2", **RUNNING)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Running")
    assert (world.run["status"]["restarts"], world.run["status"]["nodes"]) == (1, ["node1"])


def test_what_the_schema_cannot_see() -> None:
    world = World(args=["--lr", "$(params.lr)"])
    world.settle()
    assert world.condition("Succeeded") == ("False", "InvalidSpec")


def test_the_pod() -> None:
    world = started(
        args=["--lr", "$(params.lr)"],
        parameters={"lr": "0.1"},
        env=[{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}],
        datasets=[{"name": "mnist-3d"}],
        gpus={"count": 2, "product": "NVIDIA-L4"},
        resources={"limits": {"memory": "4Gi"}},
        shmSize="8Gi",
    )
    job = world.job
    pod = job["spec"]["template"]["spec"]
    assert job["metadata"]["labels"][names.OWNER_UID] == UID
    assert job["metadata"]["labels"]["blueno.dev/training-run"] == "train"
    assert container(world)["args"] == ["--lr", "0.1"]
    env = {entry["name"]: entry.get("value") for entry in container(world)["env"]}
    assert env["BLUENO_PARAM_LR"] == "0.1"
    assert env["BLUENO_DATASET_MNIST_3D"] == "/workspace/dataset/mnist-3d"
    assert env["TOKEN"] is None
    assert container(world)["resources"] == {"limits": {"memory": "4Gi", "nvidia.com/gpu": "2"}}
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert "NVIDIA-L4" in json.dumps(pod["affinity"])
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    claim = next(v for v in pod["volumes"] if v["name"] == "dataset-0")["persistentVolumeClaim"]
    assert claim == {"claimName": "mnist-3d-claim", "readOnly": True}
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}} in pod["volumes"]


def container(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.job["spec"]["template"]["spec"]["containers"][0]
    return found


def test_a_pod_that_was_gone_before_the_next_came_is_counted() -> None:
    world = started(backoffLimit=3)
    for number in range(3):
        pod = world.pod(world.job, f"pod-{number}", **RUNNING)
        world.settle()
        assert world.run["status"]["restarts"] == number
        assert world.run["status"]["pods"] == [f"pod-{number}"]
        world.remove(pod)
        world.settle()  # nothing is known of the next one yet
    assert world.run["status"]["restarts"] == 2
