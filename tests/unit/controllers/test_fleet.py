"""controllers/fleet.py: how many runs are in which state, and what they held by namespace and data set."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from blueno import names
from blueno.resources.conditions import rfc3339
from controllers.cache import Cache
from controllers.fleet import STATES, Fleet

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NUMBERS = itertools.count(1)


class Lab:
    """A cache, a clock, and what the metrics have grown by."""

    def __init__(self) -> None:
        self.namespace, self.now, self.version = f"lab-{next(NUMBERS)}", NOW, 0
        self.cache = Cache()
        self.fleet = Fleet(self.cache, lambda: self.now)

    def put(self, kind: str, name: str, meta: dict[str, Any], **body: Any) -> None:
        self.version += 1
        own = {"name": name, "namespace": self.namespace, "uid": name, "resourceVersion": str(self.version)}
        self.cache.upsert(kind, {"metadata": own | meta, "spec": {}, **body})

    def run(self, name: str = "r1", gpus: int = 2, datasets: tuple[str, ...] = (), **conditions: str) -> None:
        said = [{"type": kind, "status": status} for kind, status in conditions.items()]
        spec = {"gpus": {"count": gpus}, "datasets": [{"name": dataset} for dataset in datasets]}
        self.put(names.TRAINING_RUN_KIND, name, {}, spec=spec, status={"conditions": said})

    def dataset(self, name: str) -> None:
        self.put(names.DATASET_KIND, name, {})

    def pod(self, begun: float, over: float | None = None, name: str = "p1", role: str = names.ROLE_TRAIN) -> None:
        status: dict[str, Any] = {"phase": "Running", "startTime": rfc3339(NOW + timedelta(seconds=begun))}
        if over is not None:
            ended = {"terminated": {"finishedAt": rfc3339(NOW + timedelta(seconds=over))}}
            status |= {"phase": "Succeeded", "containerStatuses": [{"state": ended}]}
        self.put("Pod", name, {"labels": {names.OWNER_UID: "r1", names.ROLE_LABEL: role}}, status=status)

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.fleet.tick()

    @property
    def gpu_seconds(self) -> float:
        return REGISTRY.get_sample_value("blueno_gpu_seconds_total", {"namespace": self.namespace}) or 0.0

    @property
    def run_seconds(self) -> float:
        return REGISTRY.get_sample_value("blueno_run_seconds_total", {"namespace": self.namespace}) or 0.0

    def of_dataset(self, name: str) -> tuple[float | None, float | None]:
        """GPU seconds and wall seconds."""
        labels = {"namespace": self.namespace, "dataset": name}
        gpu, wall = (f"blueno_dataset_{what}_seconds_total" for what in ("gpu", "run"))
        return REGISTRY.get_sample_value(gpu, labels), REGISTRY.get_sample_value(wall, labels)

    @property
    def states(self) -> dict[str, float]:
        counts = {state: REGISTRY.get_sample_value("blueno_trainingruns", {"state": state}) for state in STATES}
        return {state: count for state, count in counts.items() if count}


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_each_run_counts_in_one_state(lab: Lab) -> None:
    lab.run("a")
    lab.run("b", Succeeded="Unknown", PodsReady="True")
    lab.run("c", Succeeded="Unknown", Suspended="True")
    lab.run("d", Succeeded="True", PodsReady="False")
    lab.run("e", Succeeded="False")
    assert lab.states == dict.fromkeys(STATES, 1)
    lab.run("b", Succeeded="True")
    lab.cache.remove(names.TRAINING_RUN_KIND, "a")
    assert lab.states == {"suspended": 1, "succeeded": 2, "failed": 1}


def test_gpus_count_while_they_are_held_and_to_the_second(lab: Lab) -> None:
    lab.run()
    lab.pod(0)
    lab.later(30)
    assert lab.gpu_seconds == 60
    lab.pod(0, over=45)
    lab.later(100)
    lab.pod(0, over=45)  # its labels are touched once more
    assert lab.gpu_seconds == 90
    lab.cache.remove("Pod", "p1")
    lab.later(100)
    assert lab.gpu_seconds == 90


def test_a_pod_that_is_gone_without_a_word_counts_until_then(lab: Lab) -> None:
    lab.run()
    lab.pod(0)
    lab.now += timedelta(seconds=20)
    lab.cache.remove("Pod", "p1")
    lab.later(100)
    assert lab.gpu_seconds == 40


def test_what_was_before_this_start_does_not_count(lab: Lab) -> None:
    lab.run()
    lab.pod(-1000)
    lab.pod(-1000, over=-500, name="p2")
    lab.later(10)
    assert lab.gpu_seconds == 20


def test_other_pods_and_runs_without_gpus_hold_nothing(lab: Lab) -> None:
    lab.run()
    lab.pod(0, role=names.ROLE_PREPARE)
    lab.run(gpus=0)
    lab.pod(0, name="p2")
    lab.later(10)
    assert lab.gpu_seconds == 0


def test_wall_time_counts_once_for_all_pods_of_a_run_and_without_gpus_too(lab: Lab) -> None:
    lab.run(gpus=0)
    lab.pod(0)
    lab.pod(10, name="p2")
    lab.later(30)
    assert lab.run_seconds == 30
    lab.pod(0, over=40)
    lab.later(30)
    assert lab.run_seconds == 60
    lab.pod(10, over=70, name="p2")
    lab.later(100)
    assert (lab.run_seconds, lab.gpu_seconds) == (70, 0)


def test_what_a_data_set_was_used_for_counts_while_it_is_there(lab: Lab) -> None:
    lab.run(datasets=("digits", "digits", "mnist", "not-there"))
    lab.dataset("digits")
    lab.dataset("mnist")
    lab.pod(0)
    lab.later(30)
    assert lab.of_dataset("digits") == lab.of_dataset("mnist") == (60, 30)
    assert lab.of_dataset("not-there") == (None, None)
    lab.cache.remove(names.DATASET_KIND, "mnist")
    lab.cache.remove(names.TRAINING_RUN_KIND, "r1")
    lab.later(10)  # its pod still stops
    assert lab.of_dataset("digits") == (80, 40)
    assert lab.of_dataset("mnist") == (None, None)
