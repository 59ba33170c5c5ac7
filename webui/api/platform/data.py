"""POST /data/upload and GET /data/download: bytes to and from an address."""

from __future__ import annotations

from aiohttp import web

from blueno.db.connect import Cursor
from blueno.db.data_urls import DataUrl, put_data_url, select_data_url
from webui.api.platform import homes, urls
from webui.api.platform.contents import locate, locate_fetched
from webui.api.platform.storing import drop, store, wake
from webui.api.targets import server_of
from webui.call import Call
from webui.dataservers import Wanted
from webui.headers import ORIGINALS_POLICY
from webui.kinds import Text
from webui.multipart import FormFile
from webui.problems import Problem, not_found
from webui.routes import Answer, Param, Permission, Reply, Route, Stream

_LARGEST = 1 << 40  # bytes; what one file may have is a setting


async def upload(call: Call) -> Answer:
    """The part `file` of the body is kept under the address, until a sample is made of it or a week has passed."""
    address = urls.parse(call.values["url"])
    if address.is_remote:
        scheme = address.url.split("://")[0]
        detail = f"data cannot be uploaded to {scheme}:// through this server; {urls.LOCAL}<data set>/… is here"
        raise Problem(400, "bad_url", detail)
    found = await homes.find_at(call, address, "update")
    source, uid = server_of(call, found.target), found.target.uid
    await wake(call, source)  # before the body is read: who sends it has it ready once
    call.detail = {"url": address.url}
    before = await call.read(select_data_url, uid, address.url)
    async with call.services.quotas.upload(call.person.email):
        form = FormFile(call.request.headers.get("Content-Type", ""), call.body)
        length = await form.open()
        await call.intend()
        stored = await store(call, source, form.chunks(), length)
        try:
            await form.end()
        except Problem:
            await drop(call, source, stored.upload)
            raise
    row = DataUrl(uid, address.url, stored.upload, None, stored.bytes, stored.sha256)
    await call.services.database.write(put_data_url, row)
    if before is not None and before.upload is not None:
        await drop(call, source, before.upload)
    call.outcome = {"bytes": stored.bytes, "sha256": stored.sha256}
    return Answer({})


async def download(call: Call) -> web.StreamResponse:
    """The bytes, to be saved. Who took them is in the audit table before the first one leaves.

    Those of an address elsewhere are what was fetched from there when a sample was made of it.
    """
    address = urls.parse(call.values["url"])
    if address.is_remote:
        fetched = await locate_fetched(call, address.url)
        if fetched is None:
            raise not_found(f"nothing was fetched from {address.url[:200]}, or not yet: register a sample of it first")
        content, source = fetched
    else:
        found = await homes.find_at(call, address, content=True)
        source = server_of(call, found.target)
        here = await locate(call, source, found, address.url, address.rest(found.name))
        if here is None:
            raise not_found(f"there are no data at {address.url[:200]}")
        content = here
    call.detail = {"url": address.url, "sha256": content.sha256}
    wanted = Wanted(
        source=source,
        path=content.path,
        query=content.query,
        headers={
            "Content-Type": "application/octet-stream",
            "Cache-Control": "no-store",
            "Content-Security-Policy": ORIGINALS_POLICY,
            "X-Request-Id": call.id,
        },
        limit=None,
        attachment=True,
        before=lambda: call.change(_nothing),
    )
    return await call.services.data_servers.fetch(wanted, call.request, call.person.email)


def _nothing(_: Cursor) -> None:
    """Only the audit row is written."""


_URL = Param("url", Text(max=urls.LONGEST, min=1), about="file://data/<data set>/<sample>", required=True)
_BYTES = (Reply(200, media="application/octet-stream"), Reply(206, media="application/octet-stream"))
ROUTES = (
    Route(
        *("POST", "/data/upload", Permission.PERSON, upload, "Upload data, as in 2019", (Reply(200, "Nothing2019"),)),
        query=(_URL,),
        stream=Stream("multipart/form-data", _LARGEST, "with the part `file`"),
        audit="upload",
        streams=True,
    ),
    Route(
        *("GET", "/data/download", Permission.PERSON, download, "Download data, as in 2019", _BYTES),
        query=(_URL,),
        audit="download",
        streams=True,
        served=True,
    ),
)
