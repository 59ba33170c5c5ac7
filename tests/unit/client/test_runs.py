"""The client against a server that answers as agreed."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from blueno.client import Client, NotInTime, logs, runs, waiting
from blueno.errors import BluenoError, Conflict, NotFound, Rejected, Unavailable
from tests.fakes.runs_api import RunsApi, problem, summary, whole
from tests.unit.client.test_specfile import RUN


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LOOK", 0.02)
    monkeypatch.setattr(logs, "PAUSE", 0.02)


def test_submit_from_a_file_and_from_an_object(api: RunsApi, client: Client, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN)
    run = client.runs.submit(tmp_path / "run.yaml", parameters={"lr": "0.5"})
    assert (run.namespace, run.name, run.state) == ("team", "digits", "pending")
    spec = {"image": "a", "command": ["b"]}
    kind = {"apiVersion": "blueno.dev/v1alpha1", "kind": "TrainingRun"}
    client.runs.submit({**kind, "metadata": {"name": "second"}, "spec": spec}, namespace="other", dry_run=True)
    first, second = [body for _, _, body in api.asked]
    assert first["spec"]["parameters"] == {"lr": "0.5"}
    assert first["dryRun"] is False
    assert second == {"namespace": "other", "name": "second", "spec": spec, "dryRun": True}
    assert ("other", "second") not in api.runs


def test_submit_twice_and_where_it_is_not_permitted(client: Client, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN)
    client.runs.submit(tmp_path / "run.yaml")
    with pytest.raises(Conflict, match="already"):
        client.runs.submit(tmp_path / "run.yaml")
    with pytest.raises(Rejected, match="not permitted: you may not create"):
        client.runs.submit(tmp_path / "run.yaml", namespace="forbidden")


def test_lists_are_read_to_their_end(api: RunsApi, client: Client) -> None:
    for number in range(450):
        api.add(summary(f"run-{number}"))
    api.add(summary("elsewhere", "other", state="failed"))
    assert [run.name for run in client.runs.list(namespace="default")] == [f"run-{n}" for n in range(450)]
    assert len(api.asked) == 3
    assert len(client.runs.list(limit=201)) == 201
    (run,) = client.runs.list(state="failed")
    assert run.namespace == "other"


def test_a_list_that_never_ends_by_itself(api: RunsApi, client: Client) -> None:
    async def empty(_request: Any) -> Any:
        from aiohttp import web

        return web.json_response({"items": [], "next": "1"})

    api.misbehave = [empty]
    assert client.runs.list() == []


def test_a_run_is_a_typed_value(api: RunsApi, client: Client) -> None:
    api.add(whole(failure={"reason": "OutOfMemory", "exitCode": 137, "pod": "p", "lastLines": ["Killed"]}))
    run = client.runs.get("digits")
    assert run.started_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (run.gpu_seconds, run.gpus, run.metrics) == (5400.0, 2, {"loss": "0.31"})
    assert run.progress is not None
    assert run.progress.remaining_seconds == 90
    assert run.failure is not None
    assert (run.failure.exit_code, run.failure.last_lines) == (137, ("Killed",))
    assert run.checkpoint is not None
    assert run.checkpoint.step == 10
    with pytest.raises(AttributeError):
        run.name = "other"  # type: ignore[misc]


def test_names_cannot_leave_their_place(api: RunsApi, client: Client) -> None:
    for namespace, name in (("default", ".."), ("", "a"), ("..", "a")):
        with pytest.raises(BluenoError, match="neither is empty"):
            client.runs.get(name, namespace)
    with pytest.raises(NotFound):
        client.runs.get("a/../../users?x=1")
    assert api.asked[0][1] == "/api/v1/trainingruns/default/a%2F..%2F..%2Fusers%3Fx%3D1"


def test_wait_until_it_has_ended(api: RunsApi, client: Client) -> None:
    api.add(whole())
    looks: list[str] = []

    def later(run: dict[str, Any]) -> None:
        if len(looks) == 2:
            run |= {"state": "failed", "reason": "UserError"}

    api.on_get = later
    run = client.runs.wait("digits", seen=lambda run: looks.append(run.state))
    assert not run.succeeded
    assert looks == ["running", "running", "failed"]


def test_wait_gives_up_in_time(api: RunsApi, client: Client) -> None:
    api.add(whole())
    with pytest.raises(NotInTime, match=r"default/digits had not ended after 0\.1 s"):
        client.runs.wait("digits", timeout=0.1)
    with pytest.raises(TimeoutError):
        client.runs.wait("digits", timeout=0)


def test_waiting_outlives_a_server_that_is_updated(api: RunsApi, client: Client) -> None:
    async def away(_request: Any) -> Any:
        return problem(503, "x", "not now")

    api.add(whole(state="succeeded"))
    api.misbehave = [away] * 10
    assert client.runs.wait("digits").succeeded


def test_waiting_does_not_outlive_it_for_ever(api: RunsApi, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_request: Any) -> Any:
        return problem(503, "x", "not now")

    monkeypatch.setattr(waiting, "AWAY", 0.0)
    api.misbehave = [away] * 50
    with pytest.raises(Unavailable):
        client.runs.wait("digits")


def test_suspend_resume_cancel_delete(api: RunsApi, client: Client) -> None:
    api.add(whole())
    client.runs.suspend("digits")
    client.runs.resume("digits")
    client.runs.cancel("digits")
    client.runs.delete("digits")
    assert [(m, body) for m, _, body in api.asked] == [
        ("PATCH", {"suspend": True}),
        ("PATCH", {"suspend": False}),
        ("PATCH", {"cancel": True}),
        ("DELETE", None),
    ]
    with pytest.raises(NotFound, match="no such run"):
        client.runs.get("digits")


def test_metrics(api: RunsApi, client: Client) -> None:
    api.add(whole())
    api.metrics = {"loss": [[1, "2026-01-02T03:04:05.000Z", 0.5], [None, "2026-01-02T03:04:06.000Z", 0.25]]}
    found = client.runs.metrics("digits")
    assert found.names == ("loss",)
    assert [point[2] for point in found.series[0].points] == [0.5, 0.25]
    assert client.runs.metrics("digits", names=["other"]).series == ()
    api.metrics = {"loss": [[1, 2]]}
    with pytest.raises(BluenoError, match=r"points\[0\]"):
        client.runs.metrics("digits", names=["loss"])


def test_export(api: RunsApi, client: Client) -> None:
    api.add(whole())
    assert "shmSize" not in client.runs.export("digits")
    assert client.runs.export("digits").startswith("apiVersion: blueno.dev/v1alpha1\nkind: TrainingRun\n")


def test_a_log_is_read_whole(api: RunsApi, client: Client) -> None:
    api.add(whole())
    text = "".join(f"line {number}\n" for number in range(60_000))
    api.text = {(1, "p"): text.encode()}
    assert "".join(client.runs.logs("digits")) == text
    assert len("".join(client.runs.logs("digits", tail=True))) == 64 * 1024
    assert next(iter(client.runs.logs("digits", attempt=1, pod="p"))).startswith("line 0\n")


def test_a_gap_is_told(api: RunsApi, client: Client) -> None:
    api.add(whole())
    api.text, api.lost = {(1, "p"): b"0123456789"}, 6
    assert "".join(client.runs.logs("digits")) == "\n[… 6 bytes were not kept …]\n6789"


def test_no_log_yet(api: RunsApi, client: Client) -> None:
    api.add(whole())
    assert list(client.runs.logs("digits")) == []


def test_following_over_attempts_until_the_end(api: RunsApi, client: Client) -> None:
    api.add(whole())
    looks = 0

    def grow(run: dict[str, Any]) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            api.text[1, "p"] = b"one\n"
        elif looks == 2:
            api.text[1, "p"] += b"two\n"
        elif looks == 3:
            api.complete = True
            api.text[2, "q"] = b"three\n"
        elif looks == 5:
            api.text[2, "q"] += b"last\n"
            run["state"] = "succeeded"

    api.complete, api.on_get = False, grow
    assert "".join(client.runs.logs("digits", follow=True)) == "one\ntwo\n\n[… attempt 2, pod q …]\nthree\nlast\n"


def test_a_log_that_does_not_go_on(api: RunsApi, client: Client) -> None:
    async def again(_request: Any) -> Any:
        from aiohttp import web

        piece = {"attempt": 1, "pod": "p", "text": "again", "first": 0, "next": 5, "complete": False}
        return web.json_response({"parts": [], **piece})

    api.misbehave = [again] * 3
    with pytest.raises(BluenoError, match="repeats"):
        list(client.runs.logs("digits"))


def test_the_pod_that_replaced_another_is_followed(api: RunsApi, client: Client) -> None:
    api.add(whole())
    looks = 0

    def grow(run: dict[str, Any]) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            api.text[1, "b"] = b"second\n"  # while the first still writes: it is not left
        elif looks == 2:
            api.text[1, "a"] += b"more\n"
            api.complete, run["state"] = True, "succeeded"

    api.complete, api.on_get, api.text = False, grow, {(1, "a"): b"first\n"}
    whole_log = "".join(client.runs.logs("digits", follow=True))
    assert whole_log == "first\nmore\n\n[… attempt 1, pod b …]\nsecond\n"
    assert "".join(client.runs.logs("digits", follow=True, pod="a")) == "first\nmore\n"


def test_a_run_that_was_just_made_is_not_missing(api: RunsApi, client: Client, tmp_path: Path) -> None:
    """Nor taken for an earlier one of its name, which the server still shows."""
    (tmp_path / "run.yaml").write_text(RUN)
    api.add(whole("digits", "team", state="failed"))
    api.deleted_at, api.late, api.text = "2026-01-02T03:04:05.000Z", 0.3, {(1, "p"): b"x"}
    made = client.runs.submit(tmp_path / "run.yaml")
    found = client.runs.get("digits", "team")
    assert (found.uid, found.state) == (made.uid, "pending")
    api.deleted_at = ""
    api.runs.clear()
    client.runs.submit(tmp_path / "run.yaml", name="second")
    assert list(client.runs.logs("second", "team")) == ["x"]


def test_a_run_that_is_never_seen(
    api: RunsApi, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.yaml").write_text(RUN)
    monkeypatch.setattr(runs, "SEEN", 0.2)
    api.late = 60
    client.runs.submit(tmp_path / "run.yaml")
    with pytest.raises(NotFound):
        client.runs.get("digits", "team")


def test_waiting_for_a_run_that_was_deleted(api: RunsApi, client: Client) -> None:
    api.add(whole())
    api.deleted_at = "2026-01-02T03:04:05.000Z"
    with pytest.raises(NotFound, match="was deleted before"):
        client.runs.wait("digits")
    api.text, api.complete = {(1, "p"): b"x"}, False
    assert list(client.runs.logs("digits", follow=True)) == ["x"]


def test_more_metrics_than_one_answer_holds(api: RunsApi, client: Client) -> None:
    api.add(whole())
    at = "2026-01-02T03:04:05.000Z"
    api.metrics = {f"m{number:03}": [[1, at, number], [2, at, None]] for number in range(120)}
    found = client.runs.metrics("digits")
    assert [one.name for one in found.series] == list(found.names) == sorted(api.metrics)
    assert len(found.raw["series"]) == 120
    assert math.isnan(found.series[0].points[1][2])
    assert len(client.runs.metrics("digits", names=[f"m{n:03}" for n in range(70)]).series) == 70
