"""Bundles, large files and removals on their way through the web process: who may, what is passed on, and that nothing
is lost or doubled when the client, the data server or the database ends in between.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from blueno import names
from tests.fakes.access import AccessServer, Rule
from tests.fakes.working_set_server import WorkingServer, a_bundle
from tests.web.conftest import ADMINS, VIEWERS
from tests.web.site import Browser, Reply, Site, eventually
from webui import bodies, quotas, writing
from webui.limits import Buckets
from webui.quotas import Quotas

ONE = "/api/v1/datasets/lab/digits"
EDITORS = "blueno:editor"
BUNDLE = {"Content-Type": names.BUNDLE_TYPE}
CHUNK = {"Content-Type": "application/octet-stream"}


@pytest.fixture
async def access() -> AccessServer:
    """Editors may write."""
    return AccessServer(rules=[Rule(VIEWERS), Rule(ADMINS), Rule(EDITORS), Rule(EDITORS, verbs=("update", "patch"))])


@pytest.fixture
async def editor(site: Site) -> Browser:
    return await site.logged_in("ed@example.org", "editor")


async def send(browser: Browser, body: Any, **headers: str) -> Reply:
    return await browser.ask("POST", f"{ONE}/bundles", data=body, headers=BUNDLE | headers)


async def append(browser: Browser, upload: str, offset: int, chunk: Any) -> Reply:
    headers = CHUNK | {names.UPLOAD_OFFSET: str(offset)}
    return await browser.ask("PATCH", f"{ONE}/uploads/{upload}", data=chunk, headers=headers)


def audited(site: Site) -> list[tuple[Any, ...]]:
    asked = "SELECT verb, outcome, detail FROM record.audit WHERE resource = 'datasets' ORDER BY id"
    found: list[tuple[Any, ...]] = site.sql(asked)
    return found


async def test_a_bundle(site: Site, editor: Browser, working: WorkingServer) -> None:
    line = {"key": "a/ä.png", "split": "train", "label": {"x": 1}, "metadata": {"m": 1}}
    body = a_bundle((line, b"one"), ({"key": "b"}, b""))
    first = await send(editor, body)
    assert (first.status, first.json) == (200, {"revision": 2, "created": 2, "same": 0, "replaced": 0, "refused": []})
    record, content = working.samples["a/ä.png"]
    assert (content, record["label"], record["by"]) == (b"one", {"x": 1}, "ed@example.org")
    assert (await send(editor, body)).json["same"] == 2
    other = await send(editor, a_bundle(({"key": "b"}, b"other")))
    assert [one["code"] for one in other.json["refused"]] == ["conflict"]
    assert audited(site) == [
        ("upload", "ok", {"revision": 2, "created": 2, "same": 0, "replaced": 0, "refused": 0}),
        ("upload", "ok", {"revision": 2, "created": 0, "same": 2, "replaced": 0, "refused": 0}),
        ("upload", "ok", {"revision": 2, "created": 0, "same": 0, "replaced": 0, "refused": 1}),
    ]
    found = await editor.get(f"{ONE}/working/sample?key=a%2F%C3%A4.png")
    assert (found.status, found.json["sha256"]) == (200, record["sha256"])
    assert (await editor.get(f"{ONE}/working/sample?key=none")).status == 404
    assert (await editor.get(f"{ONE}/working/sample")).json["errors"][0]["field"] == "query.key"


async def test_without_a_length_and_with_expect(editor: Browser, working: WorkingServer) -> None:
    """Chunked bodies, and clients that ask first."""

    async def pieces() -> AsyncIterator[bytes]:
        body = a_bundle(({"key": "k"}, b"x" * 300_000))
        for at in range(0, len(body), 50_000):
            yield body[at : at + 50_000]

    assert (await send(editor, pieces())).json["created"] == 1
    assert (await send(editor, a_bundle(({"key": "l"}, b"y" * 99)), Expect="100-continue")).json["created"] == 1
    assert working.samples["k"][1] == b"x" * 300_000


async def test_a_large_file_in_chunks(site: Site, editor: Browser, working: WorkingServer) -> None:
    content = bytes(range(256)) * 1000
    begun = await editor.post(f"{ONE}/uploads", {"bytes": len(content)})
    upload = begun.json["id"]
    assert (begun.status, begun.json["offset"]) == (201, 0)
    first = await append(editor, upload, 0, content[:100_000])
    assert (first.status, first.headers[names.UPLOAD_OFFSET], first.raw) == (204, "100000", b"")
    again = await append(editor, upload, 0, content[:100_000])
    assert (again.status, again.code, again.headers[names.UPLOAD_OFFSET]) == (409, "offset_mismatch", "100000")
    looked = await editor.get(f"{ONE}/uploads/{upload}")
    assert (looked.json, looked.headers[names.UPLOAD_OFFSET]) == ({"id": upload, "offset": 100_000}, "100000")
    head = await editor.ask("HEAD", f"{ONE}/uploads/{upload}")
    assert (head.status, head.raw, head.headers[names.UPLOAD_OFFSET]) == (200, b"", "100000")
    assert (await append(editor, upload, 100_000, content[100_000:])).status == 204
    line = {"key": "large", "upload": upload, "bytes": len(content)}
    assert (await send(editor, a_bundle((line, b"")))).json["created"] == 1
    assert working.samples["large"][1] == content
    other = (await editor.post(f"{ONE}/uploads", {"bytes": 5})).json["id"]
    assert (await editor.ask("DELETE", f"{ONE}/uploads/{other}")).status == 204
    assert (await editor.get(f"{ONE}/uploads/{other}")).status == 404
    assert [row[:2] for row in audited(site)] == [
        *[("begin-upload", "ok"), ("upload", "ok"), ("begin-upload", "ok"), ("abandon-upload", "ok")]
    ]


async def test_removals(site: Site, editor: Browser, working: WorkingServer) -> None:
    await send(editor, a_bundle(({"key": "a"}, b"1"), ({"key": "b"}, b"2")))
    gone = await editor.post(f"{ONE}/removals", {"keys": ["a", "none"], "purge": True})
    assert (gone.status, gone.json) == (200, {"revision": 3, "removed": 1, "missing": 1})
    assert list(working.samples) == ["b"]
    assert audited(site)[-1] == ("remove", "ok", {"revision": 3, "removed": 1, "missing": 1})
    bad = await editor.post(f"{ONE}/removals", {"keys": [1]})
    assert (bad.status, bad.code, bad.json["errors"][0]["field"]) == (422, "invalid", "keys")


async def test_who_may(site: Site, working: WorkingServer, access: AccessServer) -> None:
    viewer = await site.logged_in()
    elsewhere = await site.logged_in("away@example.org", "editor", "other")
    stranger = site.browser()
    for browser, status in ((viewer, 403), (elsewhere, 404), (stranger, 401)):
        for reply in (
            await send(browser, a_bundle(({"key": "a"}, b"1"))),
            await browser.post(f"{ONE}/removals", {"keys": ["a"]}),
            await browser.post(f"{ONE}/uploads", {"bytes": 1}),
            await append(browser, "u1", 0, b"1"),
            await browser.get(f"{ONE}/uploads/u1"),
            await browser.ask("DELETE", f"{ONE}/uploads/u1"),
        ):
            assert reply.status == status, reply
    assert working.received == 0
    assert working.subjects == []
    verbs = {spec["resourceAttributes"]["verb"] for spec in access.asked}
    assert verbs == {"get", "update"}


@pytest.mark.parametrize(
    ("status", "told", "code"),
    [
        (507, 507, "no_space"),
        (409, 409, "told_to"),
        (413, 413, "told_to"),
        (422, 422, "told_to"),
        (503, 503, "data_server_busy"),
        (429, 503, "data_server_busy"),
        (500, 502, "data_server_failed"),
        (403, 502, "data_server_failed"),
    ],
)
async def test_a_refusal_comes_back_before_the_body_is_read(
    site: Site, editor: Browser, working: WorkingServer, status: int, told: int, code: str
) -> None:
    working.status = status
    reply = await send(editor, a_bundle(({"key": "a"}, b"1" * 1_000_000)))
    assert (reply.status, reply.code) == (told, code)
    assert working.received == 0
    assert (reply.status != 503) or int(reply.headers["Retry-After"]) > 0
    assert status != 507 or (reply.json["needed"], reply.json["free"]) == (7, 3)
    assert audited(site)[-1][0] == "upload"


async def test_no_data_server_yet(site: Site, editor: Browser, working: WorkingServer) -> None:
    """Nothing was begun, so nothing is in the audit table; the operator hears that somebody waits."""
    site.data_server_url = "http://127.0.0.1:9"
    reply = await send(editor, a_bundle(({"key": "a"}, b"1")))
    assert (reply.status, reply.code) == (503, "data_server_starting")
    assert audited(site) == []
    site.data_server_url = working.url
    assert (await send(editor, a_bundle(({"key": "a"}, b"1")))).json["created"] == 1


async def test_a_data_set_that_the_mirror_has_not_told_of(
    site: Site, editor: Browser, working: WorkingServer, access: AccessServer
) -> None:
    made = access.api.put({"kind": "Dataset", "metadata": {"namespace": "lab", "name": "new"}, "spec": {}})
    working.uid = made["metadata"]["uid"]
    reply = await editor.ask("POST", ONE[:-6] + "new/bundles", data=a_bundle(({"key": "a"}, b"1")), headers=BUNDLE)
    assert reply.json["created"] == 1
    assert (await editor.ask("POST", ONE[:-6] + "no/bundles", data=b"1", headers=BUNDLE)).status == 404


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


async def test_bad_headers_and_bodies(editor: Browser, working: WorkingServer) -> None:
    one = {"key": "a"}
    for headers, data, status, code in (
        ({"Content-Type": "application/json"}, b"{}", 415, "unsupported_media_type"),
        (BUNDLE | {"Content-Encoding": "gzip"}, b"\x1f\x8b", 415, "unsupported_encoding"),
        (BUNDLE, b"", 400, "bad_request"),
        (BUNDLE, b"x", 400, "bad_bundle"),
        (BUNDLE, b"\xff" * 8, 400, "bad_bundle"),
        (BUNDLE, a_bundle((one, b"1"))[:-1], 400, "bad_bundle"),
        (BUNDLE, a_bundle((one, b"1")) + b"x", 400, "bad_bundle"),
    ):
        reply = await editor.ask("POST", f"{ONE}/bundles", data=data, headers=headers)
        assert (reply.status, reply.code) == (status, code), (headers, data)
    for offset in ("-1", "a", "", "1e3", str(2**70), "0x0", "1 "):
        headers = CHUNK | {names.UPLOAD_OFFSET: offset}
        reply = await editor.ask("PATCH", f"{ONE}/uploads/u1", data=b"x", headers=headers)
        assert reply.status == 422 or offset == "1 ", (offset, reply)
    assert (await editor.ask("PATCH", f"{ONE}/uploads/u1", data=b"x", headers=CHUNK)).status == 422
    for upload in ("..", "a%2Fb", "a%00", "x" * 129, "%20"):
        assert (await append(editor, upload, 0, b"x")).status in (400, 404), upload
    assert working.samples == {}


async def test_what_is_larger_than_it_may_be(
    editor: Browser, working: WorkingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Announced: refused before a byte is read. In chunks: cut off at the limit."""
    headers = CHUNK | {names.UPLOAD_OFFSET: "0", "Content-Length": str((16 << 20) + 1)}

    async def nothing() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(30)

    task = asyncio.create_task(editor.ask("PATCH", f"{ONE}/uploads/u1", data=nothing(), headers=headers))
    reply = await task
    assert (reply.status, reply.code) == (413, "body_too_large")
    upload = (await editor.post(f"{ONE}/uploads", {"bytes": 1 << 30})).json["id"]

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * (1 << 20)

    cut = await append(editor, upload, 0, endless())
    assert (cut.status, cut.code) == (413, "body_too_large")
    assert working.uploads[upload] == b""


def test_limits_are_what_they_should_be() -> None:
    assert bodies.UploadPatience.rate >= 1000
    assert bodies.UploadPatience.silent_seconds <= 30
    assert json.dumps(writing._CODES)
