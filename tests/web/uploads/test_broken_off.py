"""Nothing is lost or doubled when client, data server, database or permission end in the middle; nobody takes all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from blueno.data.badsample import MAX_SAMPLE_BYTES
from tests.fakes.working_set_server import WorkingServer, a_bundle
from tests.web.site import Browser, Site, eventually
from tests.web.uploads.sending import ONE, audited, send
from webui import quotas, writing
from webui.limits import Buckets
from webui.quotas import Quotas


async def test_no_data_server_yet(site: Site, editor: Browser, working: WorkingServer) -> None:
    """Nothing was begun, so nothing is in the audit table; the operator hears that somebody waits."""
    site.data_server_url = "http://127.0.0.1:9"
    reply = await send(editor, a_bundle(({"key": "a"}, b"1")))
    assert (reply.status, reply.code) == (503, "data_server_starting")
    assert audited(site) == []
    site.data_server_url = working.url
    assert (await send(editor, a_bundle(({"key": "a"}, b"1")))).json["created"] == 1


async def test_a_client_that_breaks_off_leaves_nothing(site: Site, editor: Browser, working: WorkingServer) -> None:
    """Half a bundle is no bundle, announced or in chunks."""
    body = a_bundle(({"key": "a"}, b"1" * 500_000))

    async def half() -> AsyncIterator[bytes]:
        yield body[:400_000]
        await eventually(lambda: working.received > 300_000)
        raise OSError("the client ends here")

    for headers in ({}, {"Content-Length": str(len(body))}):
        working.received = 0
        with pytest.raises(Exception, match=r"."):
            await send(editor, half(), **headers)
    await eventually(lambda: len(audited(site)) == 2 and all(row[1] != "intended" for row in audited(site)))
    assert (working.samples, working.bundles) == ({}, 0)
    assert [row[:2] for row in audited(site)] == [("upload", "failed")] * 2


async def test_the_database_away_refuses_before_bytes_go(
    site: Site, editor: Browser, working: WorkingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be written down is not done."""
    real = site.process.services.database.write

    async def away(*arguments: Any, **more: Any) -> Any:
        from blueno.db.audit import insert_audit
        from webui.problems import later

        if arguments[0] is insert_audit:
            raise later("database_unavailable", "away")
        return await real(*arguments, **more)

    monkeypatch.setattr(site.process.services.database, "write", away)
    reply = await send(editor, a_bundle(({"key": "a"}, b"1")))
    assert (reply.status, reply.code, working.samples) == (503, "database_unavailable", {})


async def test_nothing_piles_up_here(site: Site, editor: Browser, working: WorkingServer) -> None:
    """A data server that does not read holds up the client: only buffers of sockets fill."""
    working.hold.clear()
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(60):
            sent += 1 << 20
            yield b"x" * (1 << 20)

    task = asyncio.create_task(send(editor, pieces()))
    before = -1
    while sent != before:  # until it stands still
        before = sent
        await asyncio.sleep(0.5)
    assert sent < 40 << 20
    working.hold.set()
    assert (await task).status == 400  # no bundle


async def test_limits_of_one_person(
    site: Site, editor: Browser, working: WorkingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "AT_ONCE_PER_PERSON", 2)
    working.hold.clear()
    running = [asyncio.create_task(send(editor, a_bundle(({"key": str(n)}, b"1")))) for n in range(2)]
    await eventually(lambda: site.process.services.quotas._running["ed@example.org"] == 2)
    third = await send(editor, a_bundle(({"key": "c"}, b"1")))
    assert (third.status, third.code) == (429, "too_many_uploads")
    working.hold.set()
    assert [reply.json["created"] for reply in await asyncio.gather(*running)] == [1, 1]
    assert (await send(editor, a_bundle(({"key": "c"}, b"1")))).status == 200
    large = await editor.post(f"{ONE}/uploads", {"bytes": site.config.upload_limit + 1})
    assert (large.status, large.code, large.json["limit"]) == (413, "too_large", site.config.upload_limit)
    assert large.json["limit"] == MAX_SAMPLE_BYTES
    monkeypatch.setattr(site.process.services.quotas, "_begun", Buckets(0.001, 2, time.monotonic))
    begun = [(await editor.post(f"{ONE}/uploads", {"bytes": 1})).status for _ in range(3)]
    assert begun == [201, 201, 429]


async def test_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes over the rate wait, and only theirs who sends them."""
    waited: list[float] = []

    async def rest(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("webui.quotas.asyncio.sleep", rest)
    now = 100.0
    limits = Quotas(1000, lambda: now)
    await limits.pace("a", 2000)
    assert waited == []
    await limits.pace("a", 500)
    await limits.pace("a", 10_000)
    assert waited == [0.5, 1.0]
    await limits.pace("b", 2000)
    assert len(waited) == 2
    now += 100
    await limits.pace("a", 2000)
    assert len(waited) == 2
    await Quotas(0).pace("a", 10**12)
    assert len(waited) == 2


async def test_who_is_put_out_in_the_middle_of_an_upload(
    site: Site, editor: Browser, working: WorkingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "CHECKED_SECONDS", 0.0)
    body, go_on = a_bundle(({"key": "a"}, b"1" * 200_000)), asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield body[:100_000]
        await go_on.wait()
        yield body[100_000:]

    task = asyncio.create_task(send(editor, pieces()))
    await eventually(lambda: working.received > 50_000)
    site.sql("DELETE FROM record.session")
    go_on.set()
    assert (await task).status == 401
    assert working.samples == {}
    assert writing.CHECKED_SECONDS < 60
