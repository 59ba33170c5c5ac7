"""The report endpoint for training pods: bodies that are no reports, and those that are in part."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from blueno.kube import Cluster
from blueno.resources.training_report import BODY_LIMIT
from controllers.cache import Cache
from tests.fakes.api_server import ApiServer
from tests.unit.controllers.training_bench import Bench


@pytest.fixture
async def bench(api: ApiServer, cluster: Cluster, cache: Cache) -> AsyncIterator[Bench]:
    bench = Bench(api, cluster, cache)
    async with bench.client:
        yield bench


DEEP = b'{"trainerStatus": ' + b'{"a":' * 20_000
HOSTILE: dict[str, tuple[Any, int]] = {
    "nothing": (b"", 400),
    "no object": (b"[]", 400),
    "no text": (b"\xff\xfe", 400),
    "deep": (DEEP, 400),
    "long number": (b'{"step": ' + b"9" * 8000 + b"}", 400),
    "huge number": ({"step": 10**400}, 400),
    "negative step": ({"step": -1}, 400),
    "bool step": ({"step": True}, 400),
    "percentage": ({"trainerStatus": {"progressPercentage": 101}}, 400),
    "percentage nan": (b'{"trainerStatus": {"progressPercentage": NaN}}', 400),
    "status": ({"trainerStatus": [1]}, 400),
    "metrics": ({"trainerStatus": {"metrics": {"a": 1}}}, 400),
    "metric": ({"trainerStatus": {"metrics": ["a"]}}, 400),
    "too many points": ({"points": [{"metrics": {"a": 1}}] * 501}, 400),
    "points": ({"points": {"a": 1}}, 400),
    "checkpoint": ({"checkpoint": {"path": "a\0b"}}, 400),
    "long checkpoint": ({"checkpoint": {"path": "a" * 2000}}, 400),
    "too large": (b" " * (BODY_LIMIT + 1), 413),
    "a million names": (json.dumps({"points": [{"metrics": {f"m{n}": n for n in range(10**6)}}]}).encode(), 413),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_hostile_bodies_are_refused_with_a_reason(bench: Bench, case: str) -> None:
    body, status = HOSTILE[case]
    answer = await bench.post(body)
    assert answer.status == status
    assert len((await answer.json())["detail"]) > 10
    assert bench.latest() is None
    assert len(bench.reports._training.ring) == 0


async def test_what_is_only_unusable_is_left_out_and_named(bench: Bench) -> None:
    values: list[tuple[Any, Any]] = [
        ("loss", "0.5"), ("nan", "NaN"), ("inf", "-Infinity"), ("x" * 64, "1"), ("", "1"), ("a\0", "1"), (7, "1"),
        ("text", "high"), ("true", True), ("list", [1]), ("long", "1" * 65), ("large", 10**400), ("under", "1_0"),
        ("number", 3), ("s\ud800", "1"), ("fine name/\u00e9", " 1e-3 "),
    ]  # fmt: skip
    metrics = [{"name": name, "value": value} for name, value in values]
    points = [
        {"step": 1, "time": "yesterday", "metrics": {"a": float("nan"), "b": 1}},
        {"metrics": {"c": float("inf")}},
        {"time": "9999-12-31T23:59:59-14:00", "metrics": {f"m{n}": n for n in range(300)}},
    ]
    before = datetime.now(UTC)
    answer = await bench.post({"trainerStatus": {"metrics": metrics}, "points": points})
    assert answer.status == 200
    reasons = (await answer.json())["leftOut"]
    assert len(reasons) == 16
    assert reasons[-1] == "metric 'm256': a report has at most 256 metrics"
    report = bench.latest()
    assert report is not None
    assert report.metrics == (("loss", "0.5"), ("number", "3"), ("fine name/\u00e9", "1e-3"))
    taken = (await bench.take())["points"]
    assert [sorted(one["metrics"])[:2] for one in taken] == [["b"], ["m0", "m1"]]
    for one in taken:
        assert before <= datetime.fromisoformat(one["time"]) <= datetime.now(UTC)
