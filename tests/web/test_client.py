"""blueno.Client and `blueno login` against the real web process, so that neither knows the other by hearsay only."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from blueno.cli import login
from blueno.client import Client
from blueno.client.export import clean_spec
from blueno.db.connect import Cursor
from blueno.db.run_logs_write import Budget, append_log, complete_log, open_log
from blueno.db.run_metrics_write import Point, append_points
from blueno.errors import BluenoError, Conflict, NotFound, Rejected
from tests.fakes.access import AccessServer, Rule
from tests.runs import DIGEST, run_uid
from tests.web.judged import judge
from tests.web.mirrored import Mirrored
from tests.web.site import PASSWORD, Site

WRITE = ("get", "list", "watch", "create", "patch", "delete")
RUN: dict[str, Any] = {
    "apiVersion": "blueno.dev/v1alpha1",
    "kind": "TrainingRun",
    "metadata": {"name": "fresh", "namespace": "lab"},
    "spec": {"image": "registry.example.org/train:1", "command": ["python", "train.py"], "parameters": {"lr": "1e3"}},
}


@pytest.fixture
async def access() -> AccessServer:
    server = AccessServer(rules=[Rule("blueno:editor", verbs=WRITE), Rule("blueno:viewer")])
    server.api.judge = judge
    return server


async def a_client(site: Site, monkeypatch: pytest.MonkeyPatch, role: str = "editor") -> Client:
    """Logged in as `blueno login` does it."""
    site.add_person(f"{role}@example.org", role)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(login.typer, "prompt", lambda *_, **__: PASSWORD)
    token, number = await asyncio.to_thread(login._token_for_password, site.url, f"{role}@example.org", 3)
    assert number > 0
    assert await asyncio.to_thread(login._person, site.url, token) == f"{role}@example.org"
    sessions = site.sql("SELECT count(*) FROM record.session")
    assert sessions == [(0,)]  # the cookie's session has ended
    return Client(site.url, token)


async def test_a_wrong_password(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add_person("editor@example.org", "editor")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(login.typer, "prompt", lambda *_, **__: "wrong password")
    with pytest.raises(Rejected, match="the address or the password is not right"):
        await asyncio.to_thread(login._token_for_password, site.url, "editor@example.org", 3)


async def test_make_look_stop_and_delete(site: Site, mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    with await a_client(site, monkeypatch) as client:

        def work() -> None:
            assert client.runs.submit(RUN, dry_run=True).name == "fresh"
            made = client.runs.submit(RUN)
            assert (made.state, made.parameters) == ("pending", {"lr": "1e3"})
            assert clean_spec(made.spec) == RUN["spec"]
            with pytest.raises(Conflict):
                client.runs.submit(RUN)
            with pytest.raises(Rejected) as caught:
                client.runs.submit(RUN, name="bad", parameters={"x": "y" * 2000})
            assert caught.value.status == 422
            assert client.runs.suspend("fresh", "lab").spec["suspend"] is True
            assert client.runs.resume("fresh", "lab").spec["suspend"] is False
            assert client.runs.cancel("fresh", "lab").spec["cancel"] is True
            client.runs.delete("fresh", "lab")
            with pytest.raises(NotFound):
                client.runs.delete("fresh", "lab")

        await asyncio.to_thread(work)


async def test_a_viewer_may_look_only(site: Site, mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    with await a_client(site, monkeypatch, "viewer") as client:
        with pytest.raises(BluenoError) as caught:
            await asyncio.to_thread(client.runs.submit, RUN)
        assert isinstance(caught.value, Rejected)
        assert caught.value.status == 403


async def test_lists_details_metrics_and_logs(site: Site, mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    used = [{"name": "digits", "digest": DIGEST}]
    failure = {"reason": "UserError", "exitCode": 1, "pod": "p", "lastLines": ["Traceback"]}
    checkpoint = {"path": "/workspace/output/checkpoints/step-000000000100", "step": 100}
    status = {"datasets": used, "failure": failure, "checkpoint": checkpoint, "usage": {"gpuSeconds": 360}}
    mirrored.put_run("train", state="failed", status=status)
    mirrored.put_run("other", state="running")
    when = datetime(2026, 3, 1, 12, tzinfo=UTC)
    values = {f"m{number:02}": float(number) for number in range(60)}
    points = [Point(run_uid("train"), 1, step, when + timedelta(seconds=step), values) for step in range(5)]
    site.sql(append_points, points)
    text = "".join(f"line {number} é\n" for number in range(60_000)).encode()

    def write(cursor: Cursor) -> None:
        budget = Budget(head=8 << 20, kept=64 << 20, chunk=256 << 10)
        log = open_log(cursor, run_uid("train"), 1, "lab", "train-a1-x", "uid-x")
        assert append_log(cursor, log.id, 0, text, replace(log.place, taken=len(text)), budget)
        complete_log(cursor, log.id)

    site.sql(write)
    with await a_client(site, monkeypatch) as client:

        def work() -> None:
            assert {run.name for run in client.runs.list(namespace="lab")} == {"train", "other"}
            (run,) = client.runs.list(state="failed", dataset="digits", search="tra")
            assert (run.name, run.gpu_seconds, run.datasets) == ("train", 360, {"digits": DIGEST})
            assert len(client.runs.list(limit=1)) == 1
            found = client.runs.wait("train", "lab", timeout=5)
            assert found.failure is not None
            assert found.failure.last_lines == ("Traceback",)
            assert found.checkpoint is not None
            assert found.checkpoint.step == 100
            assert "kind: TrainingRun" in client.runs.export("train", "lab")
            metrics = client.runs.metrics("train", "lab")
            assert [one.name for one in metrics.series] == sorted(values)
            assert [value for _, _, value in metrics.series[7].points] == [7.0] * 5
            assert "".join(client.runs.logs("train", "lab", follow=True)) == text.decode()
            newest = "".join(client.runs.logs("train", "lab", tail=True))
            assert text.decode().endswith(newest.lstrip("\ufffd"))
            assert 64_000 < len(newest.encode()) <= 64 * 1024 + 3
            assert list(client.runs.logs("other", "lab")) == []
            with pytest.raises(NotFound):
                client.runs.get("nothing", "lab")

        await asyncio.to_thread(work)
