"""Uploads that are refused: who may not, what the data server says, bad headers and bodies, too much of either."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from blueno import names
from tests.fakes.access import AccessServer
from tests.fakes.working_set_server import WorkingServer, a_bundle
from tests.web.site import Browser, Site
from tests.web.uploads.sending import BUNDLE, CHUNK, ONE, append, audited, send
from webui import bodies, writing


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
    assert site.sql("SELECT open FROM projection.working_notice WHERE open > 0") == [], "whoever began has ended"


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
    upload = (await editor.post(f"{ONE}/uploads", {"bytes": 1 << 29})).json["id"]

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
