"""Pictures and bytes through the web process: from the real data server, and from one that misbehaves."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from PIL import Image

from blueno.grants import verify
from tests.fakes.access import AccessServer, Rule
from tests.fakes.data_server import PUBLIC, serving
from tests.web.conftest import VIEWERS
from tests.web.prepared import Prepared, files
from tests.web.site import Site
from tests.web.stand_in import DataServerStandIn
from webui import dataservers

ONE = "/api/v1/datasets/lab/digits"


@pytest.fixture
async def real(site: Site, prepared: Prepared) -> AsyncIterator[Prepared]:
    """The site reaches the real data server of lab/digits."""
    async with serving(prepared.place, dataset=prepared.uid) as served:
        site.data_server_url = served.url
        yield prepared


async def test_pictures(site: Site, real: Prepared) -> None:
    browser = await site.logged_in()
    row = next(n for n, key in enumerate(real.rows["key"].to_pylist()) if key == "train/c1/0001.png")
    volume = next(n for n, depth in enumerate(real.rows["depth"].to_pylist()) if depth > 1)
    for path, size in {
        f"sheet?rows={row},0-8&cell=32&columns=5": (140, 56),
        f"samples/{row}/image": (28, 28),
        f"samples/{row}/image?size=14": (14, 14),
        f"samples/{volume}/image?axis=coronal&slice=3&low=0&high=1000": (20, 12),
    }.items():
        reply = await browser.get(f"{ONE}/{path}")
        assert (reply.status, reply.headers["Content-Type"]) == (200, "image/png"), (path, reply)
        picture = Image.open(io.BytesIO(reply.raw), formats=["PNG"])
        picture.load()
        assert picture.size == size or "sheet" in path, path
        assert reply.headers["Cache-Control"] == "private, no-cache"
        again = await browser.get(f"{ONE}/{path}", headers={"If-None-Match": reply.headers["ETag"]})
        assert (again.status, again.raw) == (304, b"")
    montage = await browser.get(f"{ONE}/samples/{volume}/montage?count=4&size=16&axis=sagittal")
    assert montage.status == 200
    about = await browser.get(f"{ONE}/samples/{volume}/about")
    assert (about.json["min"], about.json["max"]) == (0, 12 * 16 * 20 - 1)
    kept = await browser.get(f"{ONE}/samples/{row}/image?version={real.digest[:16]}")
    assert "immutable" in kept.headers["Cache-Control"]
    assert "private" in kept.headers["Cache-Control"]


async def test_originals(site: Site, real: Prepared) -> None:
    browser = await site.logged_in()
    keys = real.rows["key"].to_pylist()
    row = keys.index("train/c1/0001.png")
    original = files()["train/c1/0001.png"]
    reply = await browser.get(f"{ONE}/samples/{row}/raw")
    assert (reply.status, reply.raw) == (200, original)
    assert hashlib.sha256(reply.raw).digest() == real.rows["sha256"].to_pylist()[row]
    assert reply.headers["Content-Type"] == "application/octet-stream"
    assert reply.headers["Content-Disposition"].startswith("attachment")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in reply.headers["Content-Security-Policy"]
    part = await browser.get(f"{ONE}/samples/{row}/raw", headers={"Range": "bytes=10-19"})
    assert (part.status, part.raw) == (206, original[10:20])
    none = await browser.get(f"{ONE}/samples/{row}/raw", headers={"Range": "bytes=999999-"})
    assert (none.status, none.code) == (416, "range_not_satisfiable")
    audit = [line for line in site.audit() if line[1] == "download"]
    assert [(line[0], line[4]) for line in audit] == [
        *(("ada@example.org", "ok"), ("ada@example.org", "ok"), ("ada@example.org", "failed")),
    ]
    detail = site.sql("SELECT namespace, name, detail FROM record.audit WHERE verb = 'download' LIMIT 1")
    assert detail == [("lab", "digits", {"row": row, "version": real.digest})]


BAD = {
    "samples/9999/image": (404, "sample_not_found"),
    **dict.fromkeys(("sheet?rows=9-1", "sheet?rows=0-200", "sheet?rows=a", "sheet?rows=0,"), (422, "invalid")),
    **dict.fromkeys(
        ("sheet?rows=0&low=1", "sheet?low=2&high=1", "sheet?low=nan&high=1", "sheet?cell=7"), (422, "invalid")
    ),
    **dict.fromkeys(("samples/0/image?slice=-1", "samples/0/image?low=0&high=1e999"), (422, "invalid")),
    **dict.fromkeys(("samples/0/image?axis=up", "samples/0/image?size=100000"), (422, "invalid")),
}


async def test_bad_questions(site: Site, real: Prepared) -> None:
    browser = await site.logged_in()
    for path, expected in BAD.items():
        reply = await browser.get(f"{ONE}/{path}")
        assert (reply.status, reply.code) == expected, path


async def test_pixels_are_a_right_of_their_own(site: Site, real: Prepared, access: AccessServer) -> None:
    access.rules[:] = [Rule(VIEWERS, resources=("datasets",))]
    browser = await site.logged_in()
    assert (await browser.get(f"{ONE}/samples/0")).status == 200
    for what in ("sheet", "samples/0/image", "samples/0/montage", "samples/0/about", "samples/0/raw"):
        assert (await browser.get(f"{ONE}/{what}")).status == 404, what
    assert [line[4] for line in site.audit() if line[1] == "download"] == ["denied"]


async def test_while_the_data_server_wakes(site: Site, prepared: Prepared) -> None:
    """Nobody listens there yet."""
    browser = await site.logged_in()
    for what in ("sheet", "samples/0/image", "samples/0/raw"):
        reply = await browser.get(f"{ONE}/{what}")
        assert (reply.status, reply.code) == (503, "data_server_starting")
        assert reply.headers["Retry-After"] == "1"
    site.data_server_url = "http://no-such-host.invalid"
    assert (await browser.get(f"{ONE}/sheet")).code == "data_server_starting"
    assert [line for line in site.audit() if line[1] == "download"] == []


async def test_what_the_data_server_is_asked(site: Site, prepared: Prepared, data_server: DataServerStandIn) -> None:
    browser = await site.logged_in()
    headers = {"If-None-Match": '"x"', "Cookie": "other=1", "X-Forwarded-For": "1.2.3.4", "Accept-Encoding": "gzip"}
    await browser.get(f"{ONE}/sheet?rows=0-9&low=-5.5&high=1e3", headers=headers)
    await browser.get(f"{ONE}/samples/3/image")
    (path, sent), (_, second) = data_server.asked
    assert path == f"/v1/versions/{prepared.digest[:16]}/sheet?rows=0-9&cell=96&columns=10&low=-5.5&high=1000.0"
    assert sent["If-None-Match"] == '"x"'
    assert {"Cookie", "X-Forwarded-For"} & set(sent) == set()
    grant = sent["Authorization"].removeprefix("Bearer ")
    found = verify(grant, PUBLIC, prepared.uid, "read", time.time())
    assert (found.issuer, found.subject, found.actions) == ("web", "ada@example.org", ("read",))
    assert second["Authorization"] == sent["Authorization"], "used again for a while"


ERRORS = {
    **dict.fromkeys((302, 400, 401, 403, 418, 500, 502), (502, "data_server_failed")),
    404: (404, "not_found"),
    409: (409, "sample_damaged"),
    410: (410, "version_gone"),
    422: (422, "invalid"),
    503: (503, "data_server_busy"),
}


async def test_errors_are_translated(site: Site, prepared: Prepared, data_server: DataServerStandIn) -> None:
    data_server.headers = {"Location": "http://evil.example/", "Set-Cookie": "a=b"}
    data_server.body = b"<script>alert(1)</script>"
    browser = await site.logged_in()
    for status, expected in ERRORS.items():
        data_server.status = status
        reply = await browser.get(f"{ONE}/sheet")
        assert (reply.status, reply.code) == expected, status
        assert b"script" not in reply.raw
        assert {"Location", "Set-Cookie"} & set(reply.headers) == set()


async def test_what_a_data_server_says_it_is_does_not_count(
    site: Site, prepared: Prepared, data_server: DataServerStandIn
) -> None:
    data_server.headers = {
        "Content-Type": "text/html",
        "Set-Cookie": "blueno_session=evil",
        "Content-Security-Policy": "script-src *",
        "Cache-Control": "public",
        "Content-Disposition": "inline",
    }
    browser = await site.logged_in()
    picture = await browser.get(f"{ONE}/sheet")
    assert picture.headers["Content-Type"] == "image/png"
    assert picture.headers["Cache-Control"].startswith("private")
    assert picture.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Set-Cookie" not in picture.headers
    original = await browser.get(f"{ONE}/samples/0/raw")
    assert original.headers["Content-Type"] == "application/octet-stream"
    assert original.headers["Content-Disposition"] == "attachment"


async def test_a_broken_answer_does_not_pass_for_whole(
    site: Site, prepared: Prepared, data_server: DataServerStandIn
) -> None:
    browser = await site.logged_in()
    data_server.breaks_off = True
    with pytest.raises(aiohttp.ClientPayloadError):
        await browser.get(f"{ONE}/sheet")
    data_server.breaks_off = False
    assert (await browser.get(f"{ONE}/sheet")).status == 200


async def test_a_picture_has_a_limit(
    site: Site, prepared: Prepared, data_server: DataServerStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_server.body = b"x" * 5000
    browser = await site.logged_in()
    assert (await browser.get(f"{ONE}/sheet")).status == 200
    monkeypatch.setattr(dataservers.Wanted, "limit", 4000)
    assert (await browser.get(f"{ONE}/sheet")).code == "data_server_failed"
    assert (await browser.get(f"{ONE}/samples/0/raw")).status == 200, "originals may be of any size"


async def test_a_data_server_that_hangs(
    site: Site, prepared: Prepared, data_server: DataServerStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dataservers.SILENCE_SECONDS <= 30
    monkeypatch.setattr(dataservers, "SILENCE_SECONDS", 0.3)
    data_server.hangs = True
    reply = await (await site.logged_in()).get(f"{ONE}/sheet")
    assert (reply.status, reply.code) == (503, "data_server_starting")


async def test_downloads_that_crawl_are_cut_off(
    site: Site, prepared: Prepared, data_server: DataServerStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold none of the places that pictures need, and not their own for ever."""
    monkeypatch.setattr(dataservers, "GRACE_SECONDS", -1.0)
    monkeypatch.setattr(dataservers, "RATE", 1 << 40)
    browser = await site.logged_in()
    with pytest.raises(aiohttp.ClientError):
        await browser.get(f"{ONE}/samples/0/raw")
    monkeypatch.setattr(dataservers, "GRACE_SECONDS", 60.0)
    slots = site.process.services.data_servers._slots
    for _ in range(dataservers.ORIGINALS_AT_ONCE):
        await slots[True].acquire()
    monkeypatch.setattr(dataservers, "WAIT_SECONDS", 0.1)
    assert (await browser.get(f"{ONE}/samples/0/raw")).code == "overloaded"
    assert (await browser.get(f"{ONE}/sheet")).status == 200
