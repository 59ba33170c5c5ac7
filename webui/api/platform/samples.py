"""PUT and DELETE /datasets/<data set>/samples/<name>: a sample comes of data that were uploaded before, or that lie
elsewhere (then a Sample object is made, and a Job fetches them).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from blueno.db.data_urls import DataUrl, delete_data_url, delete_data_urls_of, put_data_url, select_data_url
from webui.api.platform import elsewhere, homes, urls
from webui.api.platform.contents import Content, locate, pull, sealed_sample, url_of
from webui.api.platform.homes import DATASET, SAMPLE, Found
from webui.api.platform.records import Info, line, parse_info
from webui.api.platform.storing import Stored, drop, patiently, put, record_of, store
from webui.api.targets import server_of
from webui.call import Call
from webui.dataservers import Source
from webui.kinds import Field, Object
from webui.problems import FieldError, Problem, not_found
from webui.routes import Answer, Permission, Reply, Route
from webui.run_kinds import AnyObject, YesNo
from webui.working_news import change
from webui.writing import Request


async def register(call: Call) -> Answer:
    """A new sample. 409 with the ETag of the one of this name that is there, 400 when its address has no data."""
    found = await homes.find(call, call.values["dataset"], "update")
    key, source = call.values["sample"], server_of(call, found.target)
    info = parse_info(call.body["info"], found.name, key)
    address = urls.parse(info.url)
    call.detail = {"key": key, "url": info.url}
    there = await record_of(call, source, key)
    if there is not None or await _is_sealed(call, found, key):
        raise _taken(f"there is a sample {key[:64]!r} in {found.name[:64]!r} already", there)
    if address.is_remote:
        await elsewhere.register(call, found, key, info, wait=call.body["validate"])
    else:
        await _from_here(call, found, source, key, info, address)
    return Answer({"id": _id(found, key)})


async def _from_here(call: Call, found: Found, source: Source, key: str, info: Info, address: urls.DataAddress) -> None:
    content, owner = await _content(call, found, source, address)
    own = owner is source
    await call.intend()
    if content.upload is not None and own:
        stored = Stored(content.upload, content.bytes, content.sha256)
    else:
        async with aclosing(pull(call, owner, content)) as chunks:
            stored = await store(call, source, chunks, content.bytes)
    about = {"upload": stored.upload, "bytes": stored.bytes, "sha256": stored.sha256}
    answer = await put(call, source, line(key, info) | about)
    refused = (answer.get("refused") or [None])[0]
    if refused is not None:
        await _refused(call, source, refused, stored, content)
    row = DataUrl(found.target.uid, info.url, None, key, stored.bytes, stored.sha256)
    await call.services.database.write(put_data_url, row)
    call.outcome = {"revision": answer.get("revision")}


async def _content(call: Call, found: Found, source: Source, address: urls.DataAddress) -> tuple[Content, Source]:
    """What lies at the address, in this data set or another one that the person may read. Raises Problem 400."""
    other, owner = found, source
    if address.datasets != (found.name,):
        there = await homes.at(call, address)
        if there is None or there.target.uid != found.target.uid:
            values, subject = call.values, call.subject
            there = await homes.permitted(call, address.datasets[-1], there, content=True)
            call.values, call.subject = values, subject
            owner = server_of(call, there.target)
        other = there
    content = await locate(call, owner, other, address.url, address.rest(other.name))
    if content is None:
        raise Problem(400, "no_data", f"there are no data at {address.url[:200]}: upload them first")
    return content, owner


async def _refused(call: Call, source: Source, refused: Any, stored: Stored, content: Content) -> None:
    """Raises the Problem that a refusal in a bundle's answer is."""
    if stored.upload != content.upload:  # a copy that was made for this sample
        await drop(call, source, stored.upload)
    code, detail = str(refused.get("code")), str(refused.get("detail"))[:500]
    if code == "conflict":
        raise _taken("there is a sample of this name already", refused)
    if code == "too_large":
        raise Problem(413, code, detail)
    raise Problem(422, "invalid", detail, [FieldError("path.sample", detail)])


def _taken(detail: str, there: Mapping[str, Any] | None) -> Problem:
    """409. `there`: what the data server says of the sample, if the working set has it: a version alone has no ETag."""
    etag = (there or {}).get("etag")
    headers = {"ETag": f'"{etag}"'} if isinstance(etag, str) and etag.isalnum() else {}
    return Problem(409, "already_exists", detail, headers=headers)


async def remove(call: Call) -> Answer:
    """A sample goes; its data with `purge`. Sealed versions keep what they have."""
    found = await homes.find(call, call.values["dataset"], "update")
    key, purge, source = call.values["sample"], call.body["purge"], server_of(call, found.target)
    call.detail = {"key": key, "purge": purge}
    await call.intend()
    before = await record_of(call, source, key) if purge else None
    known = await elsewhere.remove(call, found, key, purge=purge)
    request = Request(
        *("POST", "/removals"),
        headers={"Content-Type": "application/json"},
        body=json.dumps({"keys": [key], "purge": purge}).encode(),
    )
    answer = (await patiently(lambda: change(call, source, request))).value
    await call.services.database.write(delete_data_urls_of, found.target.uid, key)
    if before is not None:
        await _drop_sent_again(call, found, source, url_of(before, found.name))
    if not answer.get("removed") and not known:
        if await _is_sealed(call, found, key):
            detail = "this sample is part of a sealed version, which never changes: remove it at the source and refresh"
            raise Problem(409, "sealed", detail)
        raise not_found(f"there is no sample {key[:64]!r} in {found.name[:64]!r}")
    call.outcome = {"revision": answer.get("revision")}
    return Answer({"id": _id(found, key)})


async def _drop_sent_again(call: Call, found: Found, source: Source, url: str) -> None:
    """Data that were sent to the address after the sample was made are the address's data, too."""
    row = await call.read(select_data_url, found.target.uid, url)
    if row is not None and row.upload is not None:
        await call.services.database.write(delete_data_url, row)
        await drop(call, source, row.upload)


async def _is_sealed(call: Call, found: Found, key: str) -> bool:
    """Whether the newest version of a data set that has other sources has it."""
    return not found.is_upload and await call.read(sealed_sample, found.target.uid, key) is not None


def _id(found: Found, key: str) -> str:
    return str(uuid.uuid5(uuid.UUID(found.target.uid), key))


_ONE = "/datasets/{dataset}/samples/{sample}"
_TAKEN = Reply(409, about="there is one already", headers={"ETag": "of the one there, if the working set has it"})
_KINDS = {"dataset": DATASET, "sample": SAMPLE}
ROUTES = (
    Route(
        *("PUT", _ONE, Permission.PERSON, register, "A new sample, as in 2019", (Reply(200, "Id2019"), _TAKEN)),
        kinds=_KINDS,
        body=Object({"validate": Field(YesNo(), True), "info": Field(AnyObject())}),
        audit="create-sample",
        streams=True,  # bytes may have to be copied
    ),
    Route(
        *("DELETE", _ONE, Permission.PERSON, remove, "Remove a sample, as in 2019", (Reply(200, "Id2019"),)),
        kinds=_KINDS,
        body=Object({"purge": Field(YesNo(), False)}),
        may_be_empty=True,
        audit="delete-sample",
    ),
)
