"""The storm of the soak (tests/e2e/storm.py): what its dice draw."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any, cast

import pytest

from tests.e2e import blows
from tests.e2e.blows import FAULTS, ON_A_PREPARATION, Scene
from tests.e2e.kube import Kube
from tests.e2e.storm import LONGER, MORE, draws
from tests.e2e.test_soak import MANY
from tests.e2e.web import Web


def drawn(seed: int, count: int) -> list[str]:
    return list(itertools.islice(itertools.chain.from_iterable(draws(random.Random(seed))), count))


def test_each_kind_comes_once_before_one_comes_again() -> None:
    """Whatever there is to hit: when those that found nothing were skipped, no pod was deleted in 70 faults."""
    assert 2 * len(FAULTS) <= MANY, "each is in `make test`, twice"
    for seed in range(20):
        assert sorted(drawn(seed, 3 * len(FAULTS))) == sorted([*FAULTS] * 3)


def test_a_seed_draws_the_same_faults_again() -> None:
    assert drawn(7, 100) == drawn(7, 100) != drawn(8, 100)
    assert LONGER > 3.5, "a run to hit outlasts the storm's own pause"


def test_what_needs_a_preparation_at_work_begins_a_round() -> None:
    for faults in itertools.islice(draws(random.Random(3)), 200):
        assert 1 <= len(faults) <= 1 + MORE
        assert not ON_A_PREPARATION.keys() & set(faults[1:])


def test_only_some_kinds() -> None:
    few = itertools.islice(draws(random.Random(1), ["operator SIGKILL"]), 3)
    assert [*itertools.chain.from_iterable(few)] == ["operator SIGKILL"] * 3 * (1 + MORE)


class SlowCluster(Kube):
    """kubectl of a cluster whose preparation begins to run when it is looked at for the third time."""

    def __init__(self) -> None:
        super().__init__(Path(), {})
        self.looks, self.hits = 0, []

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        self.looks += 1
        state = {"running": {}} if self.looks > 2 else {"waiting": {}}
        meta = {"name": "victim-1-x", "uid": "u1", "labels": {"batch.kubernetes.io/job-name": "victim-1"}}
        return [{"metadata": meta, "status": {"containerStatuses": [{"state": state}]}}]

    def run(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        self.hits.append(" ".join(arguments[:3]))
        return "deleted"


def test_a_fault_waits_for_what_it_hits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A preparation runs for a second or two, seconds after its Dataset came: a look at once found none."""
    monkeypatch.setattr(blows, "AT_WORK", 0)
    done: list[str] = []

    def kill(pod: dict[str, Any]) -> int:
        done.append(f"kill {pod['metadata']['uid']}")
        return 1

    monkeypatch.setattr(blows, "kill_containers", kill)
    for fault in ON_A_PREPARATION.values():
        kube = SlowCluster()
        fault(Scene(kube, cast(Web, None), random.Random(1), "reference"))
        done += kube.hits
    assert done == ["kill u1", "delete pod victim-1-x", "delete job victim-1"]
