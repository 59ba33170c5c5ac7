"""The report endpoint for training pods, over HTTP: who may speak, what hostile bodies come to, what the recorder gets.

`TRANSFORMERS` is what KubeflowCallback of transformers 5.24.0 sent to a listening socket, byte for byte, when its
on_train_begin, on_log, on_step_end and on_train_end were called, the gradient's norm being no number.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from blueno import names, reporting
from blueno.kube import Cluster
from controllers import training_reports
from controllers.cache import Cache
from controllers.points import Points
from tests.fakes.api_server import ApiServer
from tests.unit.controllers.training_bench import RECORDER, RUN, Bench, a_review, point

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
    bench.a_run(1, "elsewhere", "another-run")
    bench.a_pod("liar", 1, **{names.OWNER_UID: "another-run"})
    assert (await bench.post({"step": 1}, "liar")).status == 409
    assert bench.reports.latest("another-run").training is None


async def test_a_stale_attempt_is_409_and_a_quick_one_is_not(bench: Bench) -> None:
    bench.a_run(3)
    assert (await bench.post({"step": 1})).status == 409
    bench.a_pod("pod-4", 4)
    assert (await bench.post({"step": 1}, "pod-4")).status == 204


async def test_too_many_reports_are_told_when_to_come_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_reports, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    answers_ = [await bench.post({"step": n}) for n in range(5)]
    assert [answer.status for answer in answers_] == [204, 204, 204, 429, 429]
    assert int(answers_[-1].headers["Retry-After"]) == training_reports.EVERY_SECONDS


@pytest.mark.usefixtures("unhurried")
async def test_points_sent_again_are_taken_once(bench: Bench) -> None:
    now = datetime.now(UTC)
    points = [point(n, now + timedelta(seconds=n), a=n) for n in range(4)]
    for sender, some in (("aa", points[:2]), ("aa", points), ("bb", points[:1]), ("aa", points)):
        assert (await bench.post({"sender": sender, "points": some})).status == 200
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
    waiting = asyncio.create_task(bench.take(wait=25))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await bench.post({"step": 1, "trainerStatus": {"metrics": [{"name": "a", "value": "1"}]}})
    first = await asyncio.wait_for(waiting, 30)
    assert len(first["points"]) == 1
    nothing = await bench.take(epoch=first["epoch"], after=first["next"], wait=0.05)
    assert nothing == {**first, "points": []}
    await bench.post({"step": 2, "trainerStatus": {"metrics": [{"name": "a", "value": "2"}]}})
    again = await bench.take(epoch=first["epoch"], after=first["next"])
    assert [one["step"] for one in again["points"]] == [2]
    assert len(bench.reports._training.ring) == 1, "what is stored does not wait any more"
    assert (await bench.take(epoch="of another life", after=99))["points"] == again["points"]


async def test_our_own_client_is_understood(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pod-1\n")
    monkeypatch.setenv(names.ENV_TRAINER_URL, str(bench.client.make_url(names.TRAINING_REPORT_PATH)))
    monkeypatch.setenv(names.ENV_TRAINER_TOKEN, str(tmp_path / "token"))
    monkeypatch.setattr(reporting, "_reporter", reporting.Reporter())
    monkeypatch.setattr(reporting, "FLUSH_SECONDS", 60.0)
    for step in range(700):
        reporting.report(step=step, progress=(step + 1) / 700, loss=1 / (step + 1), **{"a name": 2})
    reporting.report_checkpoint(tmp_path, 699)
    await asyncio.to_thread(reporting.flush)
    report = bench.latest()
    assert report is not None
    assert report.checkpoint is not None
    assert (report.percentage, report.step, report.checkpoint.path) == (100, 699, str(tmp_path))
    assert dict(report.metrics) == {"loss": repr(1 / 700), "a name": "2.0"}
    first = await bench.take()
    assert [one["step"] for one in first["points"]] == list(range(700))
    assert first["points"][9]["metrics"] == {"loss": 0.1, "a name": 2.0}


@pytest.mark.usefixtures("unhurried")
async def test_what_an_operator_forgot_comes_again_and_what_is_stored_does_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("pod-1\n")
    monkeypatch.setenv(names.ENV_TRAINER_URL, str(bench.client.make_url(names.TRAINING_REPORT_PATH)))
    monkeypatch.setenv(names.ENV_TRAINER_TOKEN, str(tmp_path / "token"))
    monkeypatch.setattr(reporting, "_reporter", reporting.Reporter())
    monkeypatch.setattr(reporting, "FLUSH_SECONDS", 60.0)

    async def tell(*steps: int) -> None:
        for step in steps:
            reporting.report(step=step, loss=float(step))
        await asyncio.to_thread(reporting.flush)

    def restart(life: str) -> None:
        bench.reports._training.ring = Points(life)
        bench.reports._training._pods.clear()

    await tell(0, 1)
    first = await bench.take()
    assert [one["step"] for one in first["points"]] == [0, 1]
    await bench.take(epoch=first["epoch"], after=first["next"])  # so both are stored
    await tell(2, 3)
    await tell(4)
    restart("aa")
    await tell(5)
    points = (await bench.take())["points"]
    assert [(one["step"], one.get("again", False)) for one in points] == [
        (2, True), (3, True), (4, True), (5, False),
    ]  # fmt: skip
    assert len({one["sender"] for one in points}) == 1
    restart("bb")  # before the recorder has told that it has them
    await tell(6)
    assert [one["step"] for one in (await bench.take())["points"]] == [2, 3, 4, 5, 6]


@pytest.mark.usefixtures("unhurried")
async def test_a_report_to_another_life_counts_but_its_points_wait(bench: Bench) -> None:
    now = datetime.now(UTC)
    body = {"sender": "aa", "epoch": "0123", "step": 7, "points": [point(7, now, a=1)]}
    answer = await (await bench.post(body)).json()
    assert (answer["resend"], answer["seq"]) == (True, 0)
    report = bench.latest()
    assert report is not None
    assert report.step == 7
    assert (await bench.take())["points"] == []
    for hostile in ("x" * 33, "../", 7, None, ["a"]):  # no epoch at all: taken
        answer = await (await bench.post({**body, "epoch": hostile, "sender": "bb"})).json()
        assert "resend" not in answer
