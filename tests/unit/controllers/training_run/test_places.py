"""Nodes, claims, checkpoints and profiles of a TrainingRun: where it may run, what it reads and what it writes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from blueno import names
from blueno.resources.accelerator import parse_profiles
from tests.unit.controllers.training_run.test_run import RUNNING, container, ended, started
from tests.unit.controllers.training_run.world import World

LOST = {**RUNNING, "conditions": [{"type": "Ready", "status": "False"}]}


def environment(world: World) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container(world)["env"]}


def kinds(world: World) -> list[str]:
    return [kind for kind, _ in world.objects]


def test_several_nodes() -> None:
    world = started(numNodes=2, gpus={"count": 4}, numProcPerNode=4)
    assert kinds(world).count("Service") == 1
    spec = world.job["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"]) == (2, 2, "Indexed")
    assert spec["template"]["spec"]["subdomain"] == "train-11111111-team"
    env = environment(world)
    assert env["PET_MASTER_ADDR"] == "train-11111111-a1-0.train-11111111-team"
    assert (env["PET_NNODES"], env["PET_NPROC_PER_NODE"], env["PET_MASTER_PORT"]) == ("2", "4", "29500")
    assert env["JAX_COORDINATOR_ADDRESS"] == "train-11111111-a1-0.train-11111111-team:29500"
    assert names.COMPLETION_INDEX in json.dumps(env["PET_NODE_RANK"])
    order = [entry["name"] for entry in container(world)["env"]]
    assert order.index("PET_NODE_RANK") < order.index("TF_CONFIG")  # $(…) sees only what stands before
    config = json.loads(env["TF_CONFIG"].replace("$(PET_NODE_RANK)", "1"))
    assert config["task"] == {"type": "worker", "index": 1}
    assert config["cluster"]["worker"][1] == "train-11111111-a1-1.train-11111111-team:29500"


def test_several_nodes_run_when_all_do() -> None:
    world = started(numNodes=2)
    world.pod(world.job, "pod-0", **RUNNING)
    world.later(31)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Starting")
    world.pod(world.job, "pod-1", **RUNNING)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Running")


def test_one_pod_that_fails_ends_the_attempt_of_all() -> None:
    world = started(numNodes=2, backoffLimit=1)
    for name in ("pod-0", "pod-1"):
        world.pod(world.job, name, **ended(1))
    world.end_job("Failed", "BackoffLimitExceeded")
    world.settle()
    assert world.run["status"]["jobRef"] == {"name": "train-11111111-a2"}
    assert world.run["status"]["failures"] == 1
    assert kinds(world).count("Service") == 1
    for name in ("pod-2", "pod-3"):
        world.pod(world.job, name, **ended(1))
    world.end_job("Failed", "BackoffLimitExceeded")
    world.settle()
    assert world.condition("Succeeded") == ("False", "BackoffLimitExceeded")
    assert "failed 2 times" in world.run["status"]["conditions"][3]["message"]


def test_a_rank_that_is_done_before_the_others_costs_no_write() -> None:
    world = started(numNodes=2)
    pods = [world.pod(world.job, f"pod-{rank}", **RUNNING) for rank in range(2)]
    pods[1]["spec"]["nodeName"] = "node2"
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Running")
    assert world.run["status"]["nodes"] == ["node1", "node2"]
    for pod in pods:
        pod["status"] = ended(0, "Completed")
        assert world.plan()[1] == {}
    world.end_job("Complete")
    world.settle()
    assert world.condition("Succeeded") == ("True", "Completed")


def test_an_eviction_of_several_nodes_is_not_counted() -> None:
    world = started(numNodes=2)
    gone = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    world.pod(world.job, "pod-0", **ended(143), conditions=[gone])
    world.end_job("Failed", "PodFailurePolicy")
    step = world.step()
    assert step.reason == "Preempted"
    world.settle()
    assert world.run["status"]["jobRef"] == {"name": "train-11111111-a2"}
    assert world.run["status"]["failures"] == 0


def test_a_lost_node_is_waited_for() -> None:
    world = started()
    pod = world.pod(world.job, **LOST)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "NodeLost")
    assert "kubectl taint nodes node1" in world.run["status"]["pending"]["message"]
    pod["status"] = RUNNING
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Running")


@pytest.mark.parametrize("spec", [{}, {"numNodes": 2}])
def test_a_lost_node_stays_lost_when_its_pod_is_to_be_deleted(spec: dict[str, Any]) -> None:
    """After five minutes the taint manager asks a kubelet for it that does not answer; nothing there has changed."""
    world = started(**spec)
    pods = [world.pod(world.job, f"pod-{number}", **LOST) for number in range(spec.get("numNodes", 1))]
    world.settle()
    said = world.run["status"]["conditions"]
    for pod in pods:
        pod["metadata"]["deletionTimestamp"] = "2026-11-24T12:05:30Z"
    for seconds in (301, 60, 3600):
        world.later(seconds)
        assert world.plan()[1] == {}
    assert world.run["status"]["conditions"] == said
    assert world.condition("PodsReady") == ("False", "NotRunning")
    assert world.run["status"]["pending"]["reason"] == "NodeLost"


def test_a_kubelet_that_ends_a_pod_is_no_lost_node() -> None:
    """Short of memory, it says that nothing is ready any more while the program has its grace period."""
    world = started(onNodeLost="NewAttempt")
    not_ready = [{"type": kind, "status": "False"} for kind in ("Ready", "ContainersReady")]
    world.pod(world.job, **RUNNING | {"conditions": not_ready})
    assert world.settle().delete == ()
    assert world.condition("Succeeded") == ("Unknown", "Running")


def test_a_lost_node_is_left_with_checkpoints_elsewhere() -> None:
    world = started(onNodeLost="NewAttempt")
    world.pod(world.job, **RUNNING)
    world.settle()
    world.run["status"]["checkpoint"] = {"path": "/workspace/output/checkpoints/step-000000000040", "step": 40}
    next(body for (kind, _), body in world.objects.items() if kind == "Pod")["status"] = LOST
    step = world.step()
    assert (step.delete, world.condition("Succeeded"), world.run["status"].get("jobRef")) == (
        (), ("Unknown", "NodeLost"), None,
    ), "said before it is done: an operator that dies in between takes it for nobody else's deletion"  # fmt: skip
    step = world.step()
    assert [ref.name for ref in step.delete] == ["train-11111111-a1"]
    assert world.condition("Succeeded") == ("Unknown", "NodeLost")
    world.remove(world.job)
    world.objects = {key: body for key, body in world.objects.items() if key[0] != "Pod"}
    world.settle()
    env = environment(world)
    assert env["BLUENO_CHECKPOINT_DIR"] == "/workspace/output/checkpoints-a2"
    assert env["BLUENO_RESUME_FROM"] == "/workspace/output/checkpoints/step-000000000040"


def test_outputs_are_made_once_and_belong_to_nobody() -> None:
    world = started()
    (claim,) = (body for (kind, _), body in world.objects.items() if kind == "PersistentVolumeClaim")
    assert claim["metadata"]["name"] == "blueno-outputs"
    assert "ownerReferences" not in claim["metadata"]
    assert names.OWNER_UID not in claim["metadata"]["labels"]
    world.pod(world.job, **RUNNING)
    world.settle()
    assert world.run["status"]["outputs"]["path"] == "train-11111111"
    (mount,) = (m for m in container(world)["volumeMounts"] if m["mountPath"] == "/workspace/output")
    assert mount["subPath"] == "train-11111111"


def test_a_claim_that_does_not_exist_is_waited_for() -> None:
    world = World(output={"existingClaim": "results"})
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "VolumeUnbound")
    meta = {"name": "results", "namespace": "lab", "uid": "claim"}
    world.put("PersistentVolumeClaim", {"metadata": meta, "spec": {}, "status": {"phase": "Bound"}})
    assert any(manifest["kind"] == "Job" for manifest in world.step().apply)


@pytest.mark.parametrize(("version", "found"), [("ab" * 8, "ab" * 32), ("cd" * 8, "cd" * 32), ("ee" * 8, None)])
def test_a_version_by_its_digest(version: str, found: str | None) -> None:
    world = World(datasets=[{"name": "mnist", "version": version}])
    world.dataset("mnist")["status"]["earlierVersions"] = ["cd" * 32]
    world.settle()
    if found is None:
        assert world.condition("Succeeded") == ("Unknown", "DatasetVersionNotFound")
    else:
        assert json.loads(world.job["metadata"]["annotations"][names.PINNED]) == {"mnist": found}


@pytest.mark.parametrize("version", [None, "ee" * 8])
def test_a_data_set_that_only_takes_samples_has_to_be_sealed_first(version: str | None) -> None:
    world = World(datasets=[{"name": "mnist"} | ({"version": version} if version else {})])
    status = world.dataset("mnist")["status"]
    sealed = status.pop("version")
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "NoSealedVersion")
    assert "blueno dataset seal mnist" in str(world.run["status"]["conditions"])
    assert "attempt" not in world.run["status"]
    status["version"] = sealed
    world.settle()
    assert (world.condition("Succeeded")[1] == "DatasetVersionNotFound") is bool(version)
    assert ("attempt" in world.run["status"]) is not bool(version)


def test_a_run_begins_with_anothers_checkpoint() -> None:
    world = World(checkpoint={"resume": "From", "from": {"run": "first"}})
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "CheckpointNotReady")
    status: dict[str, Any] = {"outputs": {"claimName": "blueno-outputs", "path": "first-1"}}
    meta = {"name": "first", "namespace": "lab", "uid": "uid-first"}
    world.put(names.TRAINING_RUN_KIND, {"metadata": meta, "spec": {}, "status": status})
    assert world.settle().apply == ()
    status["checkpoint"] = {"path": "/workspace/output/checkpoints/step-9", "step": 9}
    world.settle()
    assert environment(world)["BLUENO_RESUME_FROM"] == "/workspace/resume/checkpoints/step-9"
    (mount,) = (m for m in container(world)["volumeMounts"] if m["mountPath"] == "/workspace/resume")
    assert (mount["subPath"], mount["readOnly"]) == ("first-1", True)


def test_a_checkpoint_that_leads_elsewhere_is_not_followed() -> None:
    world = World(checkpoint={"resume": "From", "from": {"run": "first"}})
    status = {"outputs": {"path": "first-1"}, "checkpoint": {"path": "/workspace/output/../../etc", "step": 9}}
    meta = {"name": "first", "namespace": "lab", "uid": "uid-first"}
    world.put(names.TRAINING_RUN_KIND, {"metadata": meta, "spec": {}, "status": status})
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "CheckpointNotReady")


def test_profiles() -> None:
    world = World(acceleratorProfile="l4", gpus={"count": 1})
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Unschedulable")
    text = '{"l4": {"nodeSelector": {"gpu": "l4"}, "resourceName": "example.org/gpu", "priorityClassName": "low"}}'
    world.config = {"accelerator_profiles": parse_profiles(text)}
    world.settle()
    pod = world.job["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"gpu": "l4"}
    assert pod["priorityClassName"] == "low"
    assert container(world)["resources"]["limits"] == {"example.org/gpu": "1"}


def test_code_of_a_repository_stays_at_its_commit() -> None:
    world = started(code={"git": {"url": "https://example.org/train.git", "revision": "main"}})
    sha = "0123456789abcdef0123456789abcdef01234567"
    done = {"state": {"terminated": {"exitCode": 0, "message": json.dumps({"revision": sha})}}}
    pod = world.pod(world.job, **RUNNING, initContainerStatuses=[done])
    world.settle()
    assert world.run["status"]["codeRevision"] == sha
    assert container(world)["workingDir"] == "/workspace/code"
    world.run["spec"]["suspend"] = True
    world.step()
    world.remove(world.job)
    world.remove(pod)
    world.settle()
    world.run["spec"]["suspend"] = False
    world.settle()
    assert sha in world.job["spec"]["template"]["spec"]["initContainers"][0]["args"]
