"""What a program reports, in its run's status."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from blueno.resources.training_report import CheckpointReport, TrainingReport
from tests.unit.controllers.training_run.test_run import RUNNING, ended, started
from tests.unit.controllers.training_run.world import NOW, World

METRICS = (("loss", "0.3123456"), ("accuracy", "0.9712345"))
POINT = CheckpointReport("/workspace/output/checkpoints/step-000000000042", 42, NOW)
REPORT = TrainingReport(1, NOW + timedelta(seconds=10), 42, 3600, 42, METRICS, POINT)


def reporting(**spec: object) -> World:
    world = started(**spec)
    world.pod(world.job, **RUNNING)
    world.settle()
    world.report = REPORT
    world.settle()
    return world


def test_progress_metrics_and_checkpoint() -> None:
    status = reporting(metrics={"objective": {"name": "accuracy", "direction": "maximize"}}).run["status"]
    assert status["trainerStatus"] == {
        "progressPercentage": 42,
        "estimatedRemainingSeconds": 3600,
        "metrics": [{"name": "loss", "value": "0.3123456"}, {"name": "accuracy", "value": "0.9712345"}],
        "lastUpdatedTime": "2026-11-24T12:00:10Z",
    }
    assert status["checkpoint"] == {"path": POINT.path, "step": 42, "time": "2026-11-24T12:00:00Z"}
    assert (status["summary"]["progress"], status["summary"]["metric"]) == ("42%", "accuracy=0.9712")


def test_the_same_report_again_is_no_write() -> None:
    assert reporting().plan()[1] == {}


def test_the_last_report_may_come_after_the_end() -> None:
    world = reporting()
    world.pod(world.job, "pod-2", **ended(0, "Completed"))
    world.settle()
    world.report = replace(REPORT, updated=NOW + timedelta(seconds=20), percentage=100)
    world.settle()
    assert world.run["status"]["trainerStatus"]["progressPercentage"] == 100
    assert "estimatedRemainingSeconds" not in world.run["status"]["trainerStatus"]
    assert world.condition("Succeeded") == ("True", "Completed")


def test_an_older_report_changes_nothing() -> None:
    world = reporting()
    world.report = replace(REPORT, updated=NOW, percentage=7)
    world.settle()
    assert world.run["status"]["trainerStatus"]["progressPercentage"] == 42


def test_of_an_earlier_attempt_only_the_checkpoint_counts() -> None:
    world = started()
    world.pod(world.job, **RUNNING)
    world.report = replace(REPORT, attempt=0)
    world.settle()
    assert "trainerStatus" not in world.run["status"]
    assert world.run["status"]["checkpoint"]["step"] == 42
