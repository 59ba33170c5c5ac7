"""What training runs said: metrics and logs, as the recorder stored them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiohttp import web

from blueno.db.connect import Cursor
from blueno.db.run_logs import LogPart, LogText, read_log, select_log_parts
from blueno.db.run_metrics import Series, select_metric_names, select_metrics
from blueno.resources.api import TRAINING_RUNS
from webui import run_views
from webui.api.parameters import RUN
from webui.api.training_runs import the_run
from webui.call import Call
from webui.headers import secured
from webui.kinds import Text, Whole
from webui.problems import not_found
from webui.routes import Answer, Param, Permission, Reply, Route
from webui.run_kinds import Words

SERIES = 50  # in one answer
TAIL = 64 << 10  # bytes of the newest text, unless asked otherwise
LIMIT = 1 << 20  # bytes of text in one answer
WRITE_SECONDS = 30.0  # for one piece
_PLAIN = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}


async def metrics(call: Call) -> Answer:
    """Curves, thinned out to so many points each."""
    row, _ = await the_run(call)
    names, series = await call.read(_metrics, row.uid, call.values["metrics"], call.values["points"])
    return Answer(run_views.metrics(names, series))


async def logs(call: Call) -> Answer:
    """A piece of one pod's log, and which logs there are."""
    row, _ = await the_run(call)
    values = call.values
    limit = TAIL if values["limit"] is None else values["limit"]
    parts, chosen, text = await call.read(_log, row.uid, (values["attempt"], values["pod"]), values["after"], limit)
    if chosen is None and (values["attempt"], values["pod"]) != (None, None):
        raise not_found("this run has no log of that attempt and pod")
    return Answer(
        {
            "parts": [run_views.log_part(part) for part in parts],
            "attempt": None if chosen is None else chosen.attempt,
            "pod": None if chosen is None else chosen.pod,
            "text": text.text,
            "first": text.first,
            "next": text.next,
            "complete": text.complete,
        }
    )


async def raw(call: Call) -> web.StreamResponse | Answer:
    """A pod's whole log up to now. Who took it is in the audit table before the first byte leaves."""
    row, _ = await the_run(call)
    wanted = (call.values["attempt"], call.values["pod"])
    part = _chosen(await call.read(select_log_parts, row.uid), *wanted)
    if part is None:
        raise not_found(
            "this run has no log of that attempt and pod" if wanted != (None, None) else "it has no log yet"
        )
    headers = {**_PLAIN, **call.headers}
    if call.request.method == "HEAD":
        return Answer(None, 200, headers)
    call.detail = {"attempt": part.attempt, "pod": part.pod}
    await call.change(_nothing)
    piece = await call.read(read_log, row.uid, part.attempt, part.pod, 0, LIMIT)
    out = web.StreamResponse(headers=headers | {"X-Request-Id": call.id})
    secured(out)
    await out.prepare(call.request)
    position = 0
    while piece.next > position and position < part.bytes:
        dropped = piece.first - position
        gap = f"\n[{dropped} bytes were not kept]\n" if dropped else ""
        await _write(out, (gap + piece.text).encode())
        position = piece.next
        piece = await call.read(read_log, row.uid, part.attempt, part.pod, position, LIMIT)
    await _write(out, b"")
    return out


async def _write(out: web.StreamResponse, text: bytes) -> None:
    """Nothing more to come when `text` is empty. A client that reads too slowly is cut off: it holds a piece."""
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            await (out.write(text) if text else out.write_eof())
    except TimeoutError:
        raise ConnectionResetError("the client reads too slowly") from None


def _nothing(_: Cursor) -> None:
    """Only the audit row is written."""


def _metrics(cursor: Cursor, uid: str, wanted: Sequence[str] | None, points: int) -> tuple[list[str], Sequence[Series]]:
    names = select_metric_names(cursor, uid)
    return names, select_metrics(cursor, uid, names[:SERIES] if wanted is None else wanted, points)


def _log(
    cursor: Cursor, uid: str, wanted: tuple[int | None, str | None], after: int | None, limit: int
) -> tuple[list[LogPart], LogPart | None, LogText]:
    """All parts, the one that is wanted, and its text."""
    parts = select_log_parts(cursor, uid)
    part = _chosen(parts, *wanted)
    if part is None:
        return parts, None, LogText("", 0, 0, complete=False)
    return parts, part, read_log(cursor, uid, part.attempt, part.pod, -limit if after is None else after, limit)


def _chosen(parts: Sequence[LogPart], attempt: int | None, pod: str | None) -> LogPart | None:
    """The newest that fits: parts come by attempt, then in the order in which the pods began."""
    fits = [p for p in parts if attempt in (None, p.attempt) and pod in (None, p.pod)]
    return fits[-1] if fits else None


_ONE = "/api/v1/trainingruns/{namespace}/{name}"
_WHICH = (
    Param("attempt", Whole(0, 2**31 - 1), None, "of this attempt; default: the last"),
    Param("pod", Text(max=253, min=1), None, "of this pod; default: the one that began last"),
)
ROUTES = (
    Route(
        *("GET", f"{_ONE}/metrics", Permission.READ, metrics, "Its metrics over time", (Reply(200, "RunMetrics"),)),
        kinds=RUN,
        query=(
            Param("name", Words(SERIES), None, f"with commas in between; default: the first {SERIES}", "metrics"),
            Param("points", Whole(2, 5000), 500, "points of each curve at most"),
        ),
        about=TRAINING_RUNS,
    ),
    Route(
        *("GET", f"{_ONE}/logs", Permission.READ, logs, "What its pods wrote", (Reply(200, "RunLogs"),)),
        kinds=RUN,
        query=(
            *_WHICH,
            Param("after", Whole(0, 2**53), None, "byte to begin at, `next` of the answer before; default: the end"),
            Param("limit", Whole(4, LIMIT), None, f"bytes of text at most; default: {TAIL}"),
        ),
        about=TRAINING_RUNS,
    ),
    Route(
        *("GET", f"{_ONE}/logs/raw", Permission.READ, raw, "A pod's whole log"),
        (Reply(200, media="text/plain"),),
        kinds=RUN,
        query=_WHICH,
        audit="download",
        streams=True,
        about=TRAINING_RUNS,
    ),
)
