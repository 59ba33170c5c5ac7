"""controllers/training_run/usage.py: what a run took, counted when an attempt ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from blueno import names
from controllers.pods import view_pod
from controllers.training_run.usage import Usage, add, measure
from tests.make import a_pod
from tests.unit.controllers.training_run.world import NOW, World, timedelta
from tests.unit.controllers.training_run.world import _text as text

TOP = Path(__file__).resolve().parents[4]


def at(seconds: float) -> Any:
    return NOW + timedelta(seconds=seconds)


def held(begun: float | None, over: float | None = None, **more: Any) -> Any:
    times = {"placed": None if begun is None else at(begun), "over": None if over is None else at(over)}
    return replace(a_pod(), **times, **more)


def test_gpus_times_seconds_of_every_pod_and_wall_time_once() -> None:
    pods = [held(0, 100), held(10, 110), held(200, 260), held(None)]
    assert measure(pods, 4, at(1000)) == Usage(4 * 260, 110 + 60)
    assert measure([], 4, at(1000)) == Usage(0, 0)


def test_a_pod_that_runs_counts_until_now_and_one_on_a_lost_node_until_its_grace_period_was_over() -> None:
    assert measure([held(0)], 1, at(50)) == Usage(50, 50)
    assert measure([held(0, deleted=at(30))], 1, at(500)) == Usage(30, 30)
    assert measure([held(0, deleted=at(30))], 1, at(10)) == Usage(10, 10)


def test_clocks_that_disagree_take_nothing_away() -> None:
    assert measure([held(20, 10)], 8, at(30)) == Usage(0, 0)


def test_counting_an_attempt_again_adds_only_what_is_new() -> None:
    first = add({}, 1, Usage(100, 50))
    assert first == {"gpuSeconds": 100, "wallSeconds": 50, "attempt": 1, "before": 0, "wallBefore": 0}
    assert add(first, 1, Usage(100, 50)) == first
    assert add(first, 1, Usage(130, 65)) == first | {"gpuSeconds": 130, "wallSeconds": 65}
    assert add(first, 1, Usage(0, 0)) == first  # its pods are gone by now
    second = add(first, 2, Usage(40, 20))
    assert second == {"gpuSeconds": 140, "wallSeconds": 70, "attempt": 2, "before": 100, "wallBefore": 50}
    assert add(second, 2, Usage(50, 25)) == second | {"gpuSeconds": 150, "wallSeconds": 75}


def test_what_was_counted_before_there_was_wall_time() -> None:
    old = {"gpuSeconds": 140, "attempt": 2, "before": 100}
    assert add(old, 2, Usage(50, 25)) == old | {"gpuSeconds": 150, "wallSeconds": 25, "wallBefore": 0}


def test_the_schema_keeps_every_field() -> None:
    """What it does not know is dropped by the API server, and the next look would count the attempt again."""
    (version,) = yaml.safe_load((TOP / "crds" / "trainingrun.yaml").read_text())["spec"]["versions"]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    assert set(status["usage"]["properties"]) == set(add({}, 1, Usage(100, 100)))


def test_when_a_pod_ended() -> None:
    meta = {"name": "p", "labels": {names.ATTEMPT_LABEL: "3"}}
    state = {"terminated": {"exitCode": 0, "finishedAt": "2026-11-24T12:01:00Z"}}
    body = {"metadata": meta, "spec": {}, "status": {"phase": "Succeeded", "containerStatuses": [{"state": state}]}}
    pod = view_pod(body)
    assert (pod.attempt, pod.over) == (3, at(60))
    evicted = {"phase": "Failed", "conditions": [{"type": "Ready", "lastTransitionTime": "2026-11-24T12:02:00Z"}]}
    assert view_pod({**body, "status": evicted}).over == at(120)
    assert view_pod({**body, "status": {"phase": "Failed"}}).over is None
    assert view_pod({**body, "status": {"phase": "Running"}}).over is None


class Gpus:
    """A run, with two GPUs if the test does not say otherwise, whose pods begin and end when it says."""

    def __init__(self, count: int = 2) -> None:
        self.world = World(gpus={"count": count}) if count else World()
        self.world.settle()

    def pod(self, name: str, begun: float, over: float | None = None, code: int = 0) -> dict[str, Any]:
        state: dict[str, Any] = {"running": {"startedAt": text(at(begun))}}
        phase = "Running"
        if over is not None:
            state = {"terminated": {"exitCode": code, "finishedAt": text(at(over))}}
            phase = "Failed" if code else "Succeeded"
        status = {"phase": phase, "startTime": text(at(begun)), "containerStatuses": [{"state": state}]}
        body = self.world.pod(self.world.job, name, **status)
        body["metadata"]["labels"][names.ATTEMPT_LABEL] = self.world.job["metadata"]["labels"][names.ATTEMPT_LABEL]
        return body

    @property
    def seconds(self) -> int | None:
        return (self.world.run["status"].get("usage") or {}).get("gpuSeconds")

    @property
    def wall(self) -> int | None:
        return (self.world.run["status"].get("usage") or {}).get("wallSeconds")


def test_nothing_is_written_while_it_runs_and_all_of_it_at_the_end() -> None:
    gpus = Gpus()
    gpus.pod("p", 5)
    gpus.world.step()
    gpus.world.later(60)
    assert gpus.world.plan()[1] == {}
    assert gpus.seconds is None
    gpus.pod("p", 5, 105)
    gpus.world.end_job("Complete")
    gpus.world.settle()
    assert gpus.seconds == 200
    gpus.world.later(60)
    assert gpus.world.plan()[1] == {}


def test_pods_that_failed_before_count_too() -> None:
    gpus = Gpus()
    gpus.pod("p1", 0, 10, code=1)
    gpus.pod("p2", 20, 50)
    gpus.world.end_job("Complete")
    gpus.world.settle()
    assert (gpus.seconds, gpus.wall) == (2 * 40, 40)


def test_it_survives_suspending_and_resuming() -> None:
    gpus = Gpus()
    world = gpus.world
    pod = gpus.pod("p1", 0)
    world.step()
    world.later(100)
    world.run["spec"]["suspend"] = True
    world.step()
    assert gpus.seconds == 200  # already: the pod may be gone before we look again
    world.remove(world.job)
    ended = {"terminated": {"exitCode": 143, "finishedAt": text(at(110))}}
    pod["status"] |= {"phase": "Failed", "containerStatuses": [{"state": ended}]}
    world.settle()
    assert gpus.seconds == 220  # with the time that it took to stop
    world.remove(pod)
    world.later(1000)
    assert world.plan()[1] == {}

    world.run["spec"]["suspend"] = False
    world.settle()
    assert gpus.seconds == 220
    gpus.pod("p2", 2000, 2050)
    world.end_job("Complete")
    world.settle()
    assert (gpus.seconds, gpus.wall) == (220 + 100, 110 + 50)  # without the rest between them


def test_an_attempt_whose_pods_are_gone_counts_by_its_job() -> None:
    gpus = Gpus()
    gpus.world.end_job("Failed")  # ten minutes after it was made
    gpus.world.settle()
    assert (gpus.seconds, gpus.wall) == (1200, 600)


def test_a_run_without_gpus_has_its_wall_time() -> None:
    gpus = Gpus(0)
    gpus.pod("p", 5, 105)
    gpus.world.end_job("Complete")
    gpus.world.settle()
    assert (gpus.seconds, gpus.wall) == (0, 100)
    gpus.world.later(60)
    assert gpus.world.plan()[1] == {}
