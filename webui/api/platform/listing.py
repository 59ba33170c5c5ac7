"""GET /datasets/<data set>/samples/ and …/count: lists as programs of 2019 asked for them, sent as they are read.

A data set that people push samples to is its working set, in the order in which samples came. Another one is its newest
sealed version, in that version's order, each sample as the working set has it now if it does, and then what only the
working set has.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aiohttp import web

from blueno.db.by_key import KeyQuery, KeyRow, count_rows, select_known_keys, select_rows
from blueno.db.connect import Cursor
from blueno.db.samples import VersionRow, select_version
from webui.api.platform import homes
from webui.api.platform.contents import records
from webui.api.platform.homes import DATASET, Found
from webui.api.platform.records import Wanted, canonical, canonical_text, shown
from webui.api.platform.storing import wake
from webui.api.targets import server_of
from webui.call import Call
from webui.dataservers import Source
from webui.headers import secured
from webui.kinds import Text, Whole
from webui.problems import Problem
from webui.routes import Answer, Param, Permission, Reply, Route
from webui.views import time_text

ADDED = 50_000  # samples of the working set beside a sealed version that a list can show
PAGE = 1000
PIECE = 64 << 10
PLACES = 1000  # ends of pages that are remembered, so that the next page need not begin at the first sample
Records = AsyncGenerator[dict[str, Any], None]
_places: OrderedDict[tuple[Any, ...], int] = OrderedDict()


async def samples(call: Call) -> web.StreamResponse:
    """A list, or one page of it."""
    found = await homes.find(call, call.values["dataset"])
    offset, limit = call.values["offset"], call.values["limit"]
    wanted, source = _wanted(call), server_of(call, found.target)
    await wake(call, source)
    out = web.StreamResponse(headers={"Content-Type": "application/json", "X-Request-Id": call.id})
    secured(out)
    async with aclosing(_everything(call, source, found, wanted, offset)) as everything:
        text, place = '{"samples":[', found.target
        count = 0
        async for record in everything:
            if count == limit:
                break
            text += ("," if count else "") + json.dumps(shown(record, found.name, place), ensure_ascii=False)
            count += 1
            if found.is_upload and count == limit:
                _remember(_place(found, wanted, offset + count), record["seq"])
            if len(text) >= PIECE:
                if not out.prepared:
                    await out.prepare(call.request)
                await out.write(text.encode())
                text = ""
    text += "]}"
    if not out.prepared:
        out.content_length = len(text.encode())
        await out.prepare(call.request)
    await out.write(text.encode())
    await out.write_eof()
    return out


async def count(call: Call) -> Answer:
    """How many there are in the list."""
    found = await homes.find(call, call.values["dataset"])
    wanted, source = _wanted(call), server_of(call, found.target)
    await wake(call, source)
    version = None if found.is_upload else await call.read(select_version, found.target.uid, None)
    if version is None:
        total = 0
        async for record in records(call, source):
            total += wanted.takes(record)
        return Answer({"count": total})
    added, changed = await _beside(call, source, version)
    if not changed:
        sealed = await call.read(count_rows, version, _query(wanted))
        return Answer({"count": sealed + sum(map(wanted.takes, added.values()))})
    total = 0
    async for _ in _everything(call, source, found, wanted, 0):
        total += 1
    return Answer({"count": total})


async def _everything(call: Call, source: Source, found: Found, wanted: Wanted, offset: int) -> Records:
    """What the list holds from `offset` on."""
    version = None if found.is_upload else await call.read(select_version, found.target.uid, None)
    if version is None:
        after = _places.get(_place(found, wanted, offset)) if offset else 0
        skip = offset if after is None else 0
        async with aclosing(records(call, source, after or 0)) as everything:
            async for record in everything:
                if wanted.takes(record):
                    if skip:
                        skip -= 1
                        continue
                    yield record
        return
    async for record in _sealed_and_added(call, source, version, wanted, offset):
        yield record


async def _sealed_and_added(call: Call, source: Source, version: VersionRow, wanted: Wanted, offset: int) -> Records:
    added, changed = await _beside(call, source, version)
    # Filters look at what a sample is now: those that have changed are judged here.
    query, start = (KeyQuery(), 0) if changed else (_query(wanted), offset)
    skip, place = offset if changed else 0, start
    while rows := await call.read(select_rows, version, query, place, PAGE):
        place += len(rows)
        for row in rows:
            record = changed.get(row.key) or _as_record(row, version)
            if changed and not wanted.takes(record):
                continue
            if skip:
                skip -= 1
                continue
            yield record
    if not changed:
        skip = max(0, offset - await call.read(count_rows, version, query)) if place == start else 0
    for record in filter(wanted.takes, added.values()):
        if skip:
            skip -= 1
            continue
        yield record


async def _beside(
    call: Call, source: Source, version: VersionRow
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """The working set as (samples that the version lacks, samples that it has otherwise), by key."""
    found: dict[str, dict[str, Any]] = {}
    async with aclosing(records(call, source)) as everything:
        async for record in everything:
            found[record["key"]] = record
            if len(found) > ADDED:
                detail = f"more than {ADDED} samples were added beside the sealed version: seal them first"
                raise Problem(422, "query_too_costly", detail)

    def known(cursor: Cursor) -> set[str]:
        return select_known_keys(cursor, version, list(found)) if found else set()

    sealed = await call.read(known)
    return (
        {key: record for key, record in found.items() if key not in sealed},
        {key: record for key, record in found.items() if key in sealed},
    )


def _as_record(row: KeyRow, version: VersionRow) -> dict[str, Any]:
    return {
        "key": row.key,
        "split": row.split,
        "label": None if row.label is None else json.loads(row.label),
        "metadata": json.loads(row.metadata) if row.metadata else None,
        "sha256": row.sha256,
        "time": time_text(version.sealed_at),
    }


def _wanted(call: Call) -> Wanted:
    return Wanted(call.values["prefix"], call.values["label"], call.values["split"])


def _query(wanted: Wanted) -> KeyQuery:
    labels: list[str | None] | None = None
    if wanted.label is not None:
        labels = [canonical(wanted.label), canonical_text(wanted.label)]
        labels = [None] if wanted.label == "null" else labels
    return KeyQuery(wanted.prefix, wanted.split, labels)


def _place(found: Found, wanted: Wanted, offset: int) -> tuple[Any, ...]:
    return (found.target.uid, wanted, offset)


def _remember(place: tuple[Any, ...], seq: int) -> None:
    _places[place] = seq
    _places.move_to_end(place)
    while len(_places) > PLACES:
        _places.popitem(last=False)


_FILTERS = (
    Param("prefix", Text(max=1024), "", "only names that begin with this, in any case"),
    Param("label", Text(max=4096), None, "only this label, as JSON or as the text that it is"),
    Param("split", Text(max=128), None, "only this split"),
)
_SAMPLES = "/datasets/{dataset}/samples/"
ROUTES = (
    Route(
        *("GET", _SAMPLES, Permission.PERSON, samples, "Samples, as in 2019", (Reply(200, "Samples2019"),)),
        kinds={"dataset": DATASET},
        query=(
            *_FILTERS,
            Param("limit", Whole(0, 2**31 - 1), None, "how many at most; default: all"),
            Param("offset", Whole(0, 2**31 - 1), 0, "how many to leave out"),
        ),
        streams=True,
        served=True,
    ),
    Route(
        *("GET", f"{_SAMPLES}count", Permission.PERSON, count, "How many, as in 2019", (Reply(200, "Count2019"),)),
        kinds={"dataset": DATASET},
        query=_FILTERS,
        streams=True,
        served=True,
    ),
)
