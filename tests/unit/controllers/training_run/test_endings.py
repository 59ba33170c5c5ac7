"""How a TrainingRun ends, is stopped and goes on: by itself, by its spec, by others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controllers.training_run.running import UNMADE
from tests.unit.controllers.training_run.test_run import RUNNING, ended, started
from tests.unit.controllers.training_run.world import World


def test_suspend_and_resume_is_a_new_attempt() -> None:
    world = started()
    pod = world.pod(world.job, **RUNNING)
    world.settle()
    world.run["spec"]["suspend"], world.run["metadata"]["generation"] = True, 2
    world.settle()
    assert world.job["metadata"]["deletionTimestamp"]
    world.remove(world.job)
    assert world.settle().apply == ()
    assert world.condition("Suspended")[0] == "False"  # the pod still has its grace period
    world.remove(pod)
    world.settle()
    assert world.condition("Suspended") == ("True", "Suspended")
    world.run["spec"]["suspend"], world.run["metadata"]["generation"] = False, 3
    world.settle()
    assert world.run["status"]["jobRef"] == {"name": "train-11111111-a2"}
    assert world.run["status"]["attempt"] == 2
    world.pod(world.job, "pod-2", **RUNNING)
    world.settle()
    assert (world.run["status"]["restarts"], world.run["status"]["pods"]) == (0, ["pod-2"])


def test_suspended_from_the_start_makes_nothing() -> None:
    world = World(suspend=True)
    assert world.settle().apply == ()
    assert world.condition("Suspended")[0] == "True"


def test_a_job_that_somebody_deleted_is_an_outcome_lost() -> None:
    world = started()
    world.later(UNMADE + 1)
    world.settle()
    world.remove(world.job)
    step = world.settle()
    assert step.confirm is not None  # asked of the API server before it is believed
    assert world.condition("Succeeded") == ("False", "OutcomeLost")


def test_a_job_deleted_while_it_is_at_work_is_a_cancelled_run() -> None:
    world = started()
    pod = world.pod(world.job, **RUNNING)
    world.settle()
    job = world.job
    job["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:30Z"
    assert world.step().apply == ()
    world.remove(job)
    world.step()
    assert world.condition("Succeeded") == ("Unknown", "Cancelled")
    world.remove(pod)
    assert world.settle().confirm is not None
    assert world.condition("Succeeded") == ("False", "Cancelled")
    assert world.condition("Stalled")[0] == "False"  # nothing went wrong


def test_cancel_ends_it_for_good() -> None:
    world = started()
    pod = world.pod(world.job, **RUNNING)
    world.settle()
    world.run["spec"]["cancel"], world.run["metadata"]["generation"] = True, 2
    world.step()
    assert world.job["metadata"]["deletionTimestamp"]
    world.remove(world.job)
    world.step()
    assert world.condition("Succeeded")[0] == "Unknown"  # the pod has its grace period
    world.remove(pod)
    world.settle()
    assert world.condition("Succeeded") == ("False", "Cancelled")
    assert "completionTime" in world.run["status"]
    assert world.settle().apply == ()


def test_a_run_that_ended_well_is_not_cancelled_afterwards() -> None:
    world = started()
    world.pod(world.job, **ended(0, "Completed"))
    world.settle()
    world.run["spec"]["cancel"], world.run["metadata"]["generation"] = True, 2
    world.settle()
    assert world.condition("Succeeded") == ("True", "Completed")


def test_the_pod_may_say_first_that_it_is_done() -> None:
    world = started()
    world.pod(world.job, **ended(0, "Completed"))
    world.settle()
    assert world.condition("Succeeded") == ("True", "Completed")


def test_jobs_are_removed_when_their_time_is_over() -> None:
    world = started(ttlSecondsAfterFinished=60)
    world.pod(world.job, **ended(0, "Completed"))
    world.end_job("Complete")
    world.settle()
    step = world.step()
    assert step.delete == ()
    assert step.again_in is not None
    world.later(3600)
    (ref,) = world.step().delete
    assert ref.name == "train-11111111-a1"
    assert world.condition("Succeeded") == ("True", "Completed")


def test_last_lines_without_secrets() -> None:
    said = "\n".join(
        [*(f"line {n}" for n in range(20)), "", "password=hunter2", "\x1b[31mValueError\x1b[0m: x" + "y" * 300]
    )
    world = started()
    body = ended(1)
    body["containerStatuses"][0]["state"]["terminated"]["message"] = said
    world.pod(world.job, **body)
    world.end_job("Failed", "BackoffLimitExceeded")
    world.settle()
    lines = world.run["status"]["failure"]["lastLines"]
    assert len(lines) == 10
    assert all(len(line) <= 200 for line in lines)
    assert lines[0] == "line 12"
    assert "hunter2" not in json.dumps(lines)
    assert "\x1b" not in lines[-1]


def test_after_retries_the_last_failure_is_told() -> None:
    world = started(backoffLimit=2)
    for number, (code, reason) in enumerate([(137, "OOMKilled"), (3, "Error"), (7, "Error")]):
        body = ended(code, reason)
        body["containerStatuses"][0]["state"]["terminated"]["message"] = f"words {number}"
        world.pod(world.job, f"pod-{number}", **body)
        world.settle()
    world.end_job("Failed", "BackoffLimitExceeded")
    step = world.settle()
    assert world.condition("Succeeded") == ("False", "BackoffLimitExceeded")
    assert "failed 3 times, the last time with exit code 7" in step.message
    failure = world.run["status"]["failure"]
    assert (failure["pod"], failure["exitCode"], failure["lastLines"]) == ("pod-2", 7, ["words 2"])


def test_of_several_nodes_the_first_failure_is_told() -> None:
    """The others end because of it: with a connection that was lost, or by SIGTERM."""
    world = started(numNodes=2)
    for rank, (code, second) in enumerate([(143, "30"), (7, "05")]):
        body = ended(code)
        body["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = f"2026-11-24T12:01:{second}Z"
        world.pod(world.job, f"pod-{rank}", **body)
    world.end_job("Failed", "BackoffLimitExceeded")
    world.settle()
    assert world.run["status"]["failure"]["pod"] == "pod-1"


FULL = 'Usage of EmptyDir volume "home" exceeds the limit "1Gi". '


@pytest.mark.parametrize(
    ("spec", "status", "reason", "words"),
    [
        ({}, {"reason": "Evicted", "message": FULL}, "UserError", "large files belong below /workspace/output"),
        ({"backoffLimit": 1}, {"reason": "Evicted", "message": FULL}, "BackoffLimitExceeded", "the last time because"),
        ({}, {"reason": "Evicted", "message": FULL} | ended(137), "UserError", "ended because of node node1"),
        (
            {},
            {
                "reason": "Evicted",
                "message": FULL,
                "initContainerStatuses": [{"state": {"terminated": {"exitCode": 137}}}],
            },
            "SetupFailed",
            "before the training began",
        ),
    ],
)
def test_what_the_node_says_is_told(spec: dict[str, Any], status: dict[str, Any], reason: str, words: str) -> None:
    world = started(**spec)
    if spec:
        world.pod(world.job, "pod-0", **ended(3))
        world.settle()
    world.pod(world.job, "pod-1", **{"phase": "Failed"} | status)
    world.end_job("Failed", "BackoffLimitExceeded")
    message = world.settle().message
    assert world.condition("Succeeded") == ("False", reason)
    assert f'{status["reason"]}: Usage of EmptyDir volume "home" exceeds the limit "1Gi"' in message
    assert words in message
    assert world.run["status"]["failure"]["pod"] == "pod-1"


def test_why_a_node_was_left_is_told() -> None:
    world = started()
    gone = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}
    low = {"reason": "Evicted", "message": "The node was low on resource: memory."}
    world.pod(world.job, phase="Failed", conditions=[gone], **low)
    message = world.settle().message
    assert "had to leave node node1 (Evicted: The node was low on resource: memory); it is tried again" in message


def test_of_several_nodes_the_one_that_was_evicted_first_is_told() -> None:
    world = started(numNodes=2)
    killed = ended(143)
    killed["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = "2026-11-24T12:01:30Z"
    world.pod(world.job, "pod-0", **killed)
    then = [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-24T12:01:00Z"}]
    world.pod(world.job, "pod-1", phase="Failed", reason="Evicted", message=FULL, conditions=then)
    world.end_job("Failed", "BackoffLimitExceeded")
    assert "because of node node1 (Evicted" in world.settle().message


def test_setup_that_fails_says_why() -> None:
    world = started()
    stopped = {"state": {"terminated": {"exitCode": 1, "message": "the outputs claim cannot be written"}}}
    world.pod(world.job, phase="Failed", initContainerStatuses=[stopped])
    world.end_job("Failed", "BackoffLimitExceeded")
    world.settle()
    assert world.condition("Succeeded") == ("False", "SetupFailed")
    assert "cannot be written" in world.run["status"]["failure"]["lastLines"][0]


def test_a_job_deleted_before_its_pod_began_is_made_again() -> None:
    world = started()
    world.later(2)
    world.settle()
    assert "conditions" not in world.run["status"]  # nothing was written yet, and nothing can have been lost
    world.remove(world.job)
    world.settle()
    assert world.job is not None
