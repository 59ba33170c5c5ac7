"""Metrics and logs of training runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from blueno import names
from blueno.db.connect import Cursor
from blueno.db.run_logs_write import Budget, append_log, complete_log, open_log
from blueno.db.run_metrics_write import Point, append_points
from tests.runs import run_uid
from tests.web.mirrored import Mirrored
from tests.web.site import Site
from webui.api import run_records

TOP = Path(__file__).resolve().parents[2]
ONE = "/api/v1/trainingruns/lab/train"
UID = run_uid("train")
WHEN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BUDGET = Budget(head=8 << 20, kept=64 << 20, chunk=256 << 10)
Write = Callable[..., None]


@pytest.fixture
def write(site: Site) -> Write:
    """Adds to a pod's log, as the recorder does."""

    def add(
        text: bytes, attempt: int = 1, pod: str = "train-a1-x", done: bool = False, budget: Budget = BUDGET
    ) -> None:
        def work(cursor: Cursor) -> None:
            log = open_log(cursor, UID, attempt, "lab", pod, f"uid-{pod}")
            place = replace(log.place, taken=log.place.taken + len(text))
            assert append_log(cursor, log.id, log.place.taken, text, place, budget)
            if done:
                complete_log(cursor, log.id)

        site.sql(work)

    return add


async def test_metrics(site: Site, mirrored: Mirrored) -> None:
    mirrored.put_run()
    points = [
        Point(UID, 1, None if n == 7 else n, WHEN + timedelta(seconds=n), {"loss": 1 / (n + 1), "acc": float(n)})
        for n in range(1000)
    ]
    site.sql(append_points, points)
    browser = await site.logged_in()
    found = (await browser.get(f"{ONE}/metrics")).json
    assert found["names"] == ["acc", "loss"]
    assert [series["name"] for series in found["series"]] == ["acc", "loss"]
    assert all(0 < len(series["points"]) <= 500 for series in found["series"])
    one = (await browser.get(f"{ONE}/metrics?name=loss,none&points=5000")).json
    assert one["names"] == ["acc", "loss"]
    (series,) = one["series"]
    assert (series["name"], len(series["points"])) == ("loss", 1000)
    assert series["points"][0] == [0, "2026-03-01T12:00:00.000Z", 1.0]
    assert series["points"][7][0] is None
    assert (await browser.get(f"{ONE}/metrics?name=none")).json["series"] == []


async def test_a_run_like_digits_shows_its_accuracy(site: Site, mirrored: Mirrored) -> None:
    """What examples/10-digits-jax reports: after each epoch, and the last values in its status."""
    spec = yaml.safe_load((TOP / "examples/10-digits-jax/run.yaml").read_text())["spec"]
    values = [{"loss": 2.3 / epoch, "accuracy": 1 - 1 / epoch} for epoch in range(1, 41)]
    last = [{"name": name, "value": str(value)} for name, value in values[-1].items()]
    mirrored.put_run(state="succeeded", spec=spec, status={"trainerStatus": {"metrics": last}})
    points = [Point(UID, 1, step, WHEN + timedelta(seconds=step), one) for step, one in enumerate(values, 1)]
    site.sql(append_points, points)
    browser = await site.logged_in()
    page = (await browser.get(ONE)).json
    assert page["objective"] == {"name": "accuracy", "direction": "maximize"}
    assert {"name": "accuracy", "value": "0.975"} in page["metrics"]
    (curve,) = (await browser.get(f"{ONE}/metrics?name=accuracy")).json["series"]
    assert [point[0] for point in curve["points"]] == list(range(1, 41))
    assert curve["points"][-1][2] == 0.975


async def test_a_query_cannot_name_another_run(site: Site, mirrored: Mirrored) -> None:
    """`name` is a word of the path and of the query."""
    mirrored.put_run()
    mirrored.put_run("loss")
    site.sql(append_points, [Point(run_uid("loss"), 1, 1, WHEN, {"loss": 7.0})])
    found = (await (await site.logged_in()).get(f"{ONE}/metrics?name=loss")).json
    assert found == {"names": [], "series": []}


async def test_a_run_without_a_log(site: Site, mirrored: Mirrored) -> None:
    mirrored.put_run()
    browser = await site.logged_in()
    empty = {"parts": [], "attempt": None, "pod": None, "text": "", "first": 0, "next": 0, "complete": False}
    assert (await browser.get(f"{ONE}/logs")).json == empty
    for query in ("?attempt=1", "?pod=train-a1-x", "/raw", "/raw?attempt=1"):
        assert (await browser.get(f"{ONE}/logs{query}")).status == 404, query


async def test_the_newest_of_the_last_pod_unless_asked_otherwise(site: Site, mirrored: Mirrored, write: Write) -> None:
    mirrored.put_run()
    lines = b"".join(b"line %06d\n" % n for n in range(20_000))
    write(b"first attempt\n", done=True)
    write(lines, attempt=2, pod="train-a2-y")
    browser = await site.logged_in()
    found = (await browser.get(f"{ONE}/logs")).json
    assert [(part["attempt"], part["pod"], part["bytes"], part["complete"]) for part in found["parts"]] == [
        (1, "train-a1-x", 14, True),
        (2, "train-a2-y", len(lines), False),
    ]
    assert (found["attempt"], found["pod"], found["complete"]) == (2, "train-a2-y", False)
    assert (found["first"], found["next"]) == (len(lines) - run_records.TAIL, len(lines))
    assert found["text"].encode() == lines[-run_records.TAIL :]
    first = (await browser.get(f"{ONE}/logs?attempt=1")).json
    assert (first["text"], first["complete"], first["pod"]) == ("first attempt\n", True, "train-a1-x")
    assert (await browser.get(f"{ONE}/logs?attempt=1&pod=train-a2-y")).status == 404
    text, position = "", 0
    while True:
        piece = (await browser.get(f"{ONE}/logs?pod=train-a2-y&after={position}&limit=65537")).json
        text += piece["text"]
        if piece["next"] == position:
            break
        position = piece["next"]
    assert text.encode() == lines
    write(b"more\n", attempt=2, pod="train-a2-y")
    assert (await browser.get(f"{ONE}/logs?after={position}")).json["text"] == "more\n"


async def test_of_several_nodes_the_first_speaks(site: Site, mirrored: Mirrored, write: Write) -> None:
    mirrored.put_run(spec={"numNodes": 2})
    job = names.train_job_name("train", UID, 1)
    for pod in (f"{job}-0-abcde", f"{job}-1-abcde"):
        write(pod.encode(), pod=pod)
    browser = await site.logged_in()
    assert (await browser.get(f"{ONE}/logs")).json["text"] == f"{job}-0-abcde"
    assert (await browser.get(f"{ONE}/logs?pod={job}-1-abcde")).json["text"] == f"{job}-1-abcde"
    assert (await browser.get(f"{ONE}/logs/raw")).raw.decode() == f"{job}-0-abcde"


async def test_raw_is_the_whole_and_who_took_it_is_known(site: Site, mirrored: Mirrored, write: Write) -> None:
    mirrored.put_run()
    text = "".join(f"Zeile {n} \u00e9\U0001f41f <script>\n" for n in range(70_000)).encode()
    for begin in range(0, len(text), 200_000):
        write(text[begin : begin + 200_000])
    assert len(text) > run_records.LIMIT
    browser = await site.logged_in()
    reply = await browser.get(f"{ONE}/logs/raw")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.raw == text
    assert site.audit()[-1] == ("ada@example.org", "download", "trainingruns", "train", "ok")
    head = await browser.ask("HEAD", f"{ONE}/logs/raw")
    assert (head.status, head.raw) == (200, b"")


async def test_a_gap_is_marked(site: Site, mirrored: Mirrored, write: Write) -> None:
    mirrored.put_run()
    small = Budget(head=4_000, kept=20_000, chunk=1_000)
    for n in range(600):
        write(b"line %04d %s\n" % (n, b"x" * 88), budget=small)
    browser = await site.logged_in()
    (part,) = (await browser.get(f"{ONE}/logs")).json["parts"]
    dropped = part["gap"]["to"] - part["gap"]["from"]
    raw = (await browser.get(f"{ONE}/logs/raw")).raw.decode()
    assert raw.startswith("line 0000")
    assert raw.rstrip().endswith("x")
    assert f"\n[{dropped} bytes were not kept]\n" in raw
    assert len(raw) == part["bytes"] - dropped + len(f"\n[{dropped} bytes were not kept]\n")
    piece: Any = (await browser.get(f"{ONE}/logs?after={part['gap']['from']}&limit=100")).json
    assert piece["first"] == part["gap"]["to"]


async def test_a_client_that_does_not_read_is_cut_off(
    site: Site, mirrored: Mirrored, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_records, "WRITE_SECONDS", 0.3)
    given_up, piece_out = asyncio.Event(), run_records._write

    async def watched(*given: Any) -> None:
        try:
            await piece_out(*given)
        except ConnectionResetError:
            given_up.set()
            raise

    monkeypatch.setattr(run_records, "_write", watched)
    mirrored.put_run()
    for _ in range(40):
        write(b"x" * 400_000)
    browser = await site.logged_in()
    cookie = "; ".join(f"{c.key}={c.value}" for c in browser.session.cookie_jar)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, limit=1024)
    writer.write(f"GET {ONE}/logs/raw HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n".encode())
    await asyncio.wait_for(given_up.wait(), 60)
    got = 0
    try:
        async with asyncio.timeout(60):
            while piece := await reader.read(1 << 16):
                got += len(piece)
    except ConnectionResetError:
        pass
    assert got < 40 * 400_000
    writer.close()
