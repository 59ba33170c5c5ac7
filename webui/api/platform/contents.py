"""Which bytes an address of 2019 stands for: an upload that waits for its sample, a sample of the working set, or one
of a sealed version. Used by samples.py and data.py.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from blueno.db.by_key import select_by_key
from blueno.db.connect import Cursor
from blueno.db.data_urls import DataUrl, put_data_url, select_data_url, select_fetched
from blueno.db.samples import SampleRow, VersionRow, select_version
from blueno.grants import READ
from webui.api.platform import homes, urls
from webui.api.platform.homes import Found
from webui.api.platform.storing import patiently, record_of
from webui.api.targets import server_of
from webui.call import Call
from webui.dataservers import Source
from webui.problems import Problem
from webui.writing import Request, ask, opened, read, senseless

PAGE = 20_000  # samples that are asked for at once
LINE_BYTES = 1 << 20
LISTED = 300_000  # samples of a working set that is listed here: some 30 MB
KEPT = 2  # working sets of which is remembered what they hold
_kept: OrderedDict[tuple[str, int | None], dict[int, int]] = OrderedDict()


@dataclass(frozen=True)
class Content:
    """`path` and `query` give it, below the data server's root."""

    path: str
    query: Mapping[str, str]
    bytes: int
    sha256: str
    upload: str | None = None


async def locate(call: Call, source: Source, found: Found, url: str, rest: str) -> Content | None:
    """What `url` of this data set is, if it is anything; `rest` is its last part, often the sample's key."""
    uid = found.target.uid
    known = await call.read(select_data_url, uid, url)
    if known is not None and known.upload is not None:
        path = f"/uploads/{known.upload}/bytes"
        if await _is_there(call, source, path):
            return Content(f"/v1/working{path}", {}, known.bytes, known.sha256, known.upload)
        known = None  # it became a sample, and this process ended before it had written that down; or a week has passed
    key = known.key if known is not None and known.key is not None else rest
    record = await record_of(call, source, key)
    if record is not None and (known is not None or url_of(record, found.name) == url):
        return _working(record)
    if not found.is_upload and (sealed := await call.read(sealed_sample, uid, rest)) is not None:
        version, row = sealed
        path = f"/v1/versions/{version.digest[:16]}/samples/{row.row}/raw"
        return Content(path, {}, row.bytes, row.sha256)
    return await _search(call, source, found, url)


async def locate_fetched(call: Call, url: str) -> tuple[Content, Source] | None:
    """What was fetched from an address elsewhere into a data set that the person may read. Nothing is fetched here."""
    for dataset, key in await call.read(select_fetched, homes.home(call), url):
        try:
            found = await homes.find_object(call, dataset)
        except Problem as problem:
            if problem.status != 404:
                raise
            continue
        source = server_of(call, found.target)
        record = await record_of(call, source, key)
        if record is not None:
            return _working(record), source
    return None


async def _is_there(call: Call, source: Source, path: str) -> bool:
    try:
        await patiently(lambda: ask(call, source, Request("HEAD", path, action=READ)))
    except Problem as problem:
        if problem.status in (404, 409):
            return False
        raise
    return True


async def _search(call: Call, source: Source, found: Found, url: str) -> Content | None:
    """PostgreSQL does not know it (any more): the samples themselves say their addresses."""
    async with aclosing(records(call, source)) as everything:
        async for record in everything:
            if url_of(record, found.name) == url:
                row = DataUrl(found.target.uid, url, None, record["key"], record["bytes"], record["sha256"])
                await call.services.database.write(put_data_url, row)
                return _working(record)
    return None


def sealed_sample(cursor: Cursor, uid: str, key: str) -> tuple[VersionRow, SampleRow] | None:
    """The sample of this key in the newest version."""
    version = select_version(cursor, uid, None)
    row = None if version is None else select_by_key(cursor, version, key)
    return None if version is None or row is None else (version, row)


def url_of(record: Mapping[str, Any], dataset: str) -> str:
    """The address that a sample of the working set was given."""
    metadata = record.get("metadata")
    data = metadata.get("data") if isinstance(metadata, dict) else None
    url = data.get("url") if isinstance(data, dict) else None
    return url if isinstance(url, str) else urls.of_sample(dataset, record["key"])


def _working(record: Mapping[str, Any]) -> Content:
    query = {"key": record["key"], "sha256": record["sha256"]}
    return Content("/v1/working/raw", query, int(record["bytes"]), record["sha256"])


async def records(call: Call, source: Source, after: int = 0) -> AsyncGenerator[dict[str, Any], None]:
    """The samples of the working set that were put after a place in its journal, oldest first; never many at once here.

    To be closed by who stops early (aclosing). The data server tells its journal as it stands, so it is read twice:
    which lines are the last about their samples, then those lines.
    """
    live = await _live(call, source)
    async with aclosing(_lines(call, source, after)) as lines:
        async for record in lines:
            if live.get(hash(record["key"])) == record["seq"]:
                yield record


async def _live(call: Call, source: Source) -> dict[int, int]:
    """The number of the line that put it, of each sample there is; kept while the working set stays as it is."""
    about = (await read(call, source, "")).value
    known = (source.grant, about.get("revision") if isinstance(about, dict) else None)
    if known in _kept:
        return _kept[known]
    live: dict[int, int] = {}
    async with aclosing(_lines(call, source, 0)) as lines:
        async for record in lines:
            key = hash(record["key"])  # of 64 bits, with a key of this process: no two are the same
            if record.get("op", "put") == "put":
                live[key] = record["seq"]
            else:
                live.pop(key, None)
            if len(live) > LISTED:
                detail = f"a working set of more than {LISTED} samples: list it with today's client or API"
                raise Problem(422, "query_too_costly", detail)
    _kept[known] = live
    while len(_kept) > KEPT:
        _kept.popitem(last=False)
    return live


async def _lines(call: Call, source: Source, after: int) -> AsyncGenerator[dict[str, Any], None]:
    """The journal's lines after a number."""
    while True:
        lines, asked = 0, {"after": str(after), "limit": str(PAGE)}
        async with opened(call, source, Request("GET", "/changes", asked, action=READ)) as answer:
            rest = b""
            async for chunk in answer.content.iter_any():
                *whole, rest = (rest + chunk).split(b"\n")
                if len(rest) > LINE_BYTES:
                    raise senseless()
                for line in filter(None, whole):
                    record = _record(line)
                    lines, after = lines + 1, max(after, record["seq"])
                    yield record
        if lines < PAGE:
            return


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
        if isinstance(record["key"], str) and isinstance(record["seq"], int):
            return dict(record)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise senseless()


async def pull(call: Call, source: Source, content: Content) -> AsyncGenerator[bytes, None]:
    """Its bytes, from the data server. To be closed by who stops early."""
    path = content.path.removeprefix("/v1/working")
    if path == content.path:
        raise Problem(409, "sealed", "the data belong to a sealed version: give the new sample data of its own")
    async with opened(call, source, Request("GET", path, content.query, action=READ)) as answer:
        async for chunk in answer.content.iter_any():
            yield chunk
