"""Bundles, large files and removals on their way through the web process: what is passed on and written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from blueno import names
from tests.fakes.access import AccessServer
from tests.fakes.working_set_server import WorkingServer, a_bundle
from tests.web.site import Browser, Site, eventually
from tests.web.uploads.sending import BUNDLE, ONE, append, audited, send


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
    begun_row = audited(site)[0]
    assert begun_row[2] == {"bytes": len(content), "upload": upload}, "whose is beside it; chunks have no rows"
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


async def test_a_data_set_that_the_mirror_has_not_told_of(
    site: Site, editor: Browser, working: WorkingServer, access: AccessServer
) -> None:
    made = access.api.put({"kind": "Dataset", "metadata": {"namespace": "lab", "name": "new"}, "spec": {}})
    working.uid = made["metadata"]["uid"]
    reply = await editor.ask("POST", ONE[:-6] + "new/bundles", data=a_bundle(({"key": "a"}, b"1")), headers=BUNDLE)
    assert reply.json["created"] == 1
    assert (await editor.ask("POST", ONE[:-6] + "no/bundles", data=b"1", headers=BUNDLE)).status == 404


async def test_the_recorder_is_told(site: Site, editor: Browser, working: WorkingServer) -> None:
    """Of what may change the working set, before and after: not of pieces of a file, nor of a server that starts."""
    notice = "SELECT dataset_uid::text, number, open FROM projection.working_notice"
    here, site.data_server_url = site.data_server_url, "http://127.0.0.1:9"
    assert (await send(editor, a_bundle(({"key": "a"}, b"1")))).status == 503
    assert site.sql(notice) == []
    site.data_server_url = here
    working.hold.clear()
    task = asyncio.create_task(send(editor, a_bundle(({"key": "a"}, b"1"))))
    await eventually(lambda: site.sql(notice) == [(working.uid, 0, 1)])
    working.hold.set()
    assert (await task).json["created"] == 1
    assert site.sql(notice) == [(working.uid, 1, 0)]
    upload = (await editor.post(f"{ONE}/uploads", {"bytes": 5})).json["id"]
    assert (await append(editor, upload, 0, b"12345")).status == 204
    assert (await editor.ask("DELETE", f"{ONE}/uploads/{upload}")).status == 204
    assert site.sql(notice) == [(working.uid, 1, 0)]
    assert (await editor.post(f"{ONE}/removals", {"keys": ["a"]})).json["removed"] == 1
    assert site.sql(notice) == [(working.uid, 2, 0)]


async def test_what_cannot_be_noted_is_not_passed_on(site: Site, editor: Browser, working: WorkingServer) -> None:
    site.sql("ALTER TABLE projection.working_notice RENAME TO elsewhere")
    reply = await send(editor, a_bundle(({"key": "a"}, b"1" * 1_000_000)))
    assert (reply.status, reply.code, working.samples) == (503, "database_unavailable", {})
    assert [row[:2] for row in audited(site)] == [("upload", "failed")], "for certain: it was not even intended"
