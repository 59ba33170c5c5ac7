"""The report endpoint for training pods, over HTTP: who may speak, what hostile bodies come to, what the recorder gets.

`TRANSFORMERS` is what KubeflowCallback of transformers 5.24.0 sent to a listening socket, byte for byte, when its
on_train_begin, on_log, on_step_end and on_train_end were called, the gradient's norm being no number.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from blueno import names
from blueno.kube import Cluster
from blueno.resources.training_report import BODY_LIMIT, TrainingReport
from controllers import answers, training_reports
from controllers.cache import Cache
from controllers.demand import Demand
from controllers.points import Points
from controllers.queue import WorkQueue
from controllers.reports import Reports
from tests.fakes.api_server import ApiServer

RUN = "7a1b2c3d-1111-4222-8333-444455556666"
POD = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"
RECORDER = "recorder-token"
TRANSFORMERS = [
    b'{"trainerStatus": {"lastUpdatedTime": "2026-11-24T12:48:49.734981+00:00", "progressPercentage": 0, '
    b'"metrics": [{"name": "total_steps", "value": "300"}]}}',
    b'{"trainerStatus": {"lastUpdatedTime": "2026-11-24T12:48:49.738962+00:00", "progressPercentage": 3, '
    b'"estimatedRemainingSeconds": 0, "metrics": [{"name": "loss", "value": "2.3025"}, '
    b'{"name": "grad_norm", "value": "nan"}, {"name": "learning_rate", "value": "4.9e-05"}, '
    b'{"name": "epoch", "value": "0.33"}, {"name": "current_step", "value": "10"}, '
    b'{"name": "total_steps", "value": "300"}, {"name": "current_epoch", "value": "0.33"}]}}',
    b'{"trainerStatus": {"lastUpdatedTime": "2026-11-24T12:48:49.740169+00:00", "progressPercentage": 100, '
    b'"estimatedRemainingSeconds": 0, "metrics": [{"name": "loss", "value": "2.3025"}, '
    b'{"name": "grad_norm", "value": "nan"}, {"name": "learning_rate", "value": "4.9e-05"}, '
    b'{"name": "epoch", "value": "0.33"}]}}',
]


class Bench:
    """The endpoint, a run of attempt 1 in the cache, and its pod in the cluster."""

    def __init__(self, api: ApiServer, cluster: Cluster, cache: Cache) -> None:
        self.api, self.cache = api, cache
        self.queue = WorkQueue(asyncio.get_running_loop().time)
        self.reports = Reports(cluster, cache, self.queue, Demand(900), names.SYSTEM_NAMESPACE)
        app = web.Application(client_max_size=answers.BODY_LIMIT)
        app.add_routes(self.reports.routes())
        self.client: TestClient[web.Request, web.Application] = TestClient(TestServer(app))
        self.a_run(1)
        self.a_pod("pod-1")
        user = {"username": f"system:serviceaccount:{names.SYSTEM_NAMESPACE}:{names.RECORDER}"}
        api.tokens[RECORDER] = {"authenticated": True, "audiences": [names.REPORT_AUDIENCE], "user": user}

    def a_run(self, attempt: int, namespace: str = "lab") -> None:
        meta = {"name": "digits", "namespace": namespace, "uid": RUN, "resourceVersion": str(attempt), "labels": {}}
        body = {"kind": "TrainingRun", "metadata": meta, "spec": {}, "status": {"attempt": attempt}}
        self.cache.upsert(names.TRAINING_RUN_KIND, body)

    def a_pod(self, name: str, attempt: Any = 1, **labels: str) -> None:
        marks = {names.OWNER_KIND: names.TRAINING_RUN_KIND, names.OWNER_UID: RUN, names.ATTEMPT_LABEL: str(attempt)}
        meta = {"name": name, "namespace": "lab", "labels": marks | labels}
        pod = self.api.put({"kind": "Pod", "metadata": meta, "spec": {}, "status": {}})
        self.api.tokens[name] = a_review(name, pod["metadata"]["uid"])

    async def post(self, body: Any = None, token: str = "pod-1") -> ClientResponse:
        raw = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.post(names.TRAINING_REPORT_PATH, data=io.BytesIO(raw), headers=headers)

    async def take(self, token: str = RECORDER, **position: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await self.client.post(names.TRAINING_POINTS_PATH, json=position, headers=headers)
        assert answer.status == 200, await answer.text()
        return await answer.json()

    def latest(self) -> TrainingReport | None:
        return self.reports.latest(RUN).training


def a_review(name: str, uid: str, namespace: str = "lab", **changes: Any) -> dict[str, Any]:
    user = {"username": f"system:serviceaccount:{namespace}:default", "extra": {POD: [name], POD_UID: [uid]}}
    return {"authenticated": True, "audiences": [names.REPORT_AUDIENCE], "user": user, **changes}


def point(step: int, time: datetime, **metrics: float) -> dict[str, Any]:
    return {"step": step, "time": time.isoformat(), "metrics": metrics}


@pytest.fixture
async def bench(api: ApiServer, cluster: Cluster, cache: Cache) -> AsyncIterator[Bench]:
    bench = Bench(api, cluster, cache)
    async with bench.client:
        yield bench


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_reports, "EVERY_SECONDS", 1e-9)


async def test_transformers_is_understood(bench: Bench) -> None:
    """Its last report follows the one before at once, and is the one that counts."""
    for body in TRANSFORMERS:
        answer = await bench.post(body)
        assert answer.status in (200, 204), await answer.text()
        assert await bench.queue.take() == (names.TRAINING_RUN_KIND, RUN)
        bench.queue.done((names.TRAINING_RUN_KIND, RUN))
    assert await answer.json() == {"leftOut": ["metric 'grad_norm': its value is no finite number"]}
    report = bench.latest()
    assert report is not None
    assert (report.percentage, report.remaining_seconds, report.step, report.attempt) == (100, 0, 10, 1)
    assert dict(report.metrics)["loss"] == "2.3025"
    assert dict(report.metrics)["learning_rate"] == "4.9e-05"
    taken = await bench.take()
    assert [sorted(one["metrics"]) for one in taken["points"]] == [
        ["current_epoch", "epoch", "learning_rate", "loss"], ["epoch", "learning_rate", "loss"],
    ]  # fmt: skip
    assert (taken["points"][0]["step"], taken["points"][0]["run"], taken["points"][0]["attempt"]) == (10, RUN, 1)


async def test_our_own_report_brings_points_and_a_checkpoint(bench: Bench) -> None:
    now = datetime.now(UTC)
    status = {"progressPercentage": 50, "metrics": [{"name": "loss", "value": "0.25"}]}
    checkpoint = {"path": "/workspace/output/checkpoints/step-000000000100", "step": 100, "time": now.isoformat()}
    points = [point(step, now + timedelta(milliseconds=step), loss=1 / (step + 1)) for step in range(3)]
    answer = await bench.post({"trainerStatus": status, "step": 100, "checkpoint": checkpoint, "points": points})
    assert answer.status == 204
    report = bench.latest()
    assert report is not None
    assert report.checkpoint is not None
    assert (report.step, report.checkpoint.step, report.checkpoint.path) == (100, 100, checkpoint["path"])
    taken = await bench.take()
    assert [(one["step"], one["metrics"]) for one in taken["points"]] == [(n, {"loss": 1 / (n + 1)}) for n in range(3)]


@pytest.mark.usefixtures("unhurried")
async def test_what_a_report_does_not_say_stays_as_it_was(bench: Bench) -> None:
    checkpoint = {"path": "/c", "step": 5}
    await bench.post({"trainerStatus": {"progressPercentage": 5, "estimatedRemainingSeconds": 9}, "step": 5})
    await bench.post({"checkpoint": checkpoint})
    await bench.post({"trainerStatus": {"metrics": [{"name": "a", "value": "1"}]}})
    await bench.post({"trainerStatus": {"metrics": [{"name": "b", "value": "2"}]}})
    report = bench.latest()
    assert report is not None
    assert report.checkpoint is not None
    assert (report.percentage, report.remaining_seconds, report.step, report.checkpoint.step) == (5, 9, 5, 5)
    assert report.metrics == (("a", "1"), ("b", "2"))
    bench.a_run(2)
    bench.a_pod("pod-2", 2)
    assert (await bench.post({"step": 6}, "pod-2")).status == 204
    report = bench.latest()
    assert report is not None
    assert report.checkpoint is not None
    assert (report.attempt, report.percentage, report.metrics, report.checkpoint.path) == (2, None, (), "/c")
    assert (await bench.post({"step": 7})).status == 409


async def test_who_may_not_report(bench: Bench) -> None:
    foreign = bench.api.put({"kind": "Pod", "metadata": {"name": "theirs", "namespace": "lab"}, "spec": {}})
    bench.api.tokens["theirs"] = a_review("theirs", foreign["metadata"]["uid"])
    bench.a_pod("no-attempt", "x")
    bench.a_pod("of-a-data-set", 1, **{names.OWNER_KIND: names.DATASET_KIND})
    bench.a_pod("of-none", 1, **{names.OWNER_UID: "gone"})
    bench.api.tokens["other-audience"] = {**bench.api.tokens["pod-1"], "audiences": ["kubernetes"]}
    bench.api.tokens["replaced"] = a_review("pod-1", "another-uid")
    wanted = {"theirs": 409, "no-attempt": 409, "of-a-data-set": 409, "of-none": 409, "replaced": 409}
    wanted |= {"other-audience": 401, "nonsense": 401, RECORDER: 401}
    for token, status in wanted.items():
        answer = await bench.post({"step": 1}, token)
        assert (answer.status, answer.content_type) == (status, "application/problem+json"), token
    assert bench.latest() is None


async def test_a_pod_that_calls_itself_another_namespaces_may_not_report(bench: Bench) -> None:
    bench.cache.remove(names.TRAINING_RUN_KIND, RUN)
    bench.a_run(1, namespace="elsewhere")
    assert (await bench.post({"step": 1})).status == 409


async def test_a_stale_attempt_is_409_and_a_quick_one_is_not(bench: Bench) -> None:
    bench.a_run(3)
    assert (await bench.post({"step": 1})).status == 409
    bench.a_pod("pod-4", 4)
    assert (await bench.post({"step": 1}, "pod-4")).status == 204


async def test_too_many_reports_are_told_when_to_come_again(bench: Bench) -> None:
    answers_ = [await bench.post({"step": n}) for n in range(5)]
    assert [answer.status for answer in answers_] == [204, 204, 204, 429, 429]
    assert 1 <= int(answers_[-1].headers["Retry-After"]) <= 5


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
        assert abs((datetime.fromisoformat(one["time"]) - datetime.now(UTC)).total_seconds()) < 60


@pytest.mark.usefixtures("unhurried")
async def test_points_sent_again_are_taken_once(bench: Bench) -> None:
    now = datetime.now(UTC)
    points = [point(n, now + timedelta(seconds=n), a=n) for n in range(4)]
    for sender, some in (("aa", points[:2]), ("aa", points), ("bb", points[:1]), ("aa", points)):
        assert (await bench.post({"sender": sender, "points": some})).status == 204
    assert [one["step"] for one in (await bench.take())["points"]] == [0, 1, 2, 3, 0]


async def test_only_the_recorder_takes_points(bench: Bench) -> None:
    for token in ("pod-1", "nonsense"):
        headers = {"Authorization": f"Bearer {token}"}
        assert (await bench.client.post(names.TRAINING_POINTS_PATH, json={}, headers=headers)).status == 401
    headers = {"Authorization": f"Bearer {RECORDER}"}
    for bad in ({"epoch": 1}, {"after": "x"}, {"after": True}, {"wait": 26}, {"wait": -1}, {"wait": "1"}, [], 7):
        assert (await bench.client.post(names.TRAINING_POINTS_PATH, json=bad, headers=headers)).status == 400, bad


@pytest.mark.usefixtures("unhurried")
async def test_the_recorder_waits_for_points_and_never_gets_one_twice(bench: Bench) -> None:
    waiting = asyncio.create_task(bench.take(wait=10))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await bench.post({"step": 1, "trainerStatus": {"metrics": [{"name": "a", "value": "1"}]}})
    first = await asyncio.wait_for(waiting, 5)
    assert len(first["points"]) == 1
    nothing = await bench.take(epoch=first["epoch"], after=first["next"], wait=0.05)
    assert nothing == {**first, "points": []}
    await bench.post({"step": 2, "trainerStatus": {"metrics": [{"name": "a", "value": "2"}]}})
    again = await bench.take(epoch=first["epoch"], after=first["next"])
    assert [one["step"] for one in again["points"]] == [2]
    assert len(bench.reports._training.ring) == 1, "what is stored does not wait any more"
    assert (await bench.take(epoch="of another life", after=99))["points"] == again["points"]


async def test_the_ring_is_bounded_and_counts_what_it_drops() -> None:
    from blueno.resources.training_report import TrainingPoint

    ring = Points("life", kept=10)
    some = [TrainingPoint(n, datetime.now(UTC), {"a": 1.0, "b": 2.0}) for n in range(8)]
    assert ring.add("run", 1, some[:5]) == 0
    first = await ring.after("", 0, 0)
    assert (first.next, first.lost, len(first.points)) == (5, 0, 5)
    assert ring.add("run", 1, some) == 8
    assert len(ring) == 10
    late = await ring.after("life", 2, 0)
    assert (late.lost, late.next, [one["step"] for one in late.points]) == (6, 13, [3, 4, 5, 6, 7])
    newcomer = await ring.after("", 0, 0)
    assert (newcomer.lost, len(newcomer.points)) == (0, 5)


async def test_answers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from blueno.resources.training_report import TrainingPoint
    from controllers import points

    monkeypatch.setattr(points, "VALUES_AT_ONCE", 5)
    ring = Points("life")
    ring.add("run", 1, [TrainingPoint(n, datetime.now(UTC), {"a": 1.0, "b": 2.0}) for n in range(7)])
    position, sizes = 0, []
    while batch := (await ring.after("life", position, 0)).points:
        sizes.append(len(batch))
        position += len(batch)
    assert sizes == [2, 2, 2, 1]
