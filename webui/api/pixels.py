"""Pictures and original bytes of samples, passed through from the data set's own server.

Those of the working set are in working_pixels.py, which uses what is public here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from blueno.db.connect import Cursor
from webui.api.parameters import OBJECT, ROW, VERSION
from webui.api.samples import locate
from webui.call import Call
from webui.dataservers import Wanted
from webui.headers import ORIGINALS_POLICY
from webui.kinds import Kind, OneOf, Real, Rows, Whole
from webui.problems import FieldError, invalid
from webui.routes import Param, Permission, Reply, Route

SHEET_ROWS = 200
KEPT = "private, max-age=86400, immutable"  # the address names the version, which never changes
_ASKED_AGAIN = "private, no-cache"  # the address means the newest version


async def sheet(call: Call) -> web.StreamResponse:
    """Many thumbnails as one picture."""
    return await _fetch(call, "sheet", ("rows", "cell", "columns", "low", "high"), "image/png")


async def image(call: Call) -> web.StreamResponse:
    """One picture, or one slice."""
    return await _fetch(call, "image", ("size", "axis", "slice", "low", "high"), "image/png")


async def montage(call: Call) -> web.StreamResponse:
    """Slices of a volume side by side."""
    return await _fetch(call, "montage", ("count", "size", "axis", "low", "high"), "image/png")


async def about(call: Call) -> web.StreamResponse:
    """True intensities: shape, type, range, histogram."""
    return await _fetch(call, "about", (), "application/json")


async def raw(call: Call) -> web.StreamResponse:
    """The original bytes, to be saved. Who took which is in the audit table before the first byte leaves."""
    return await _fetch(call, "raw", (), "application/octet-stream")


async def _fetch(call: Call, what: str, names: tuple[str, ...], media: str) -> web.StreamResponse:
    values = call.values
    check_window(values)
    row, version = await call.read(locate, values)
    call.services.looked.note(row.uid)
    place = f"samples/{values['row']}/{what}" if "row" in values else what
    headers = {
        "Content-Type": media,
        "Cache-Control": KEPT if values["version"] else _ASKED_AGAIN,
        "X-Request-Id": call.id,
        **call.headers,
    }
    is_original = what == "raw"
    if is_original:
        headers["Content-Security-Policy"] = ORIGINALS_POLICY
        call.detail = {"row": values["row"], "version": version.digest}
    wanted = Wanted(
        source=call.services.data_servers.of_dataset(row),
        path=f"/v1/versions/{version.digest[:16]}/{place}",
        query={name: text_of(values[name]) for name in names if values[name] is not None},
        headers=headers,
        limit=None if is_original else Wanted.limit,
        attachment=is_original,
        before=(lambda: call.change(nothing)) if is_original else None,
    )
    return await call.services.data_servers.fetch(wanted, call.request, call.person.email)


def nothing(_: Cursor) -> None:
    """Only the audit row is written."""


def check_window(values: Mapping[str, Any]) -> None:
    """Raises Problem 422."""
    low, high = values.get("low"), values.get("high")
    if (low is None) != (high is None):
        raise invalid([FieldError("query.high" if high is None else "query.low", "low and high go together")])
    if low is not None and high is not None and low >= high:
        raise invalid([FieldError("query.high", "must be greater than low")])


def text_of(value: Any) -> str:
    """A parameter as it is passed on."""
    return repr(value) if isinstance(value, float) else str(value)


PNG = (Reply(200, media="image/png"), Reply(304, about="as you have it"))
_AXIS = OneOf(("axial", "coronal", "sagittal"))
_WINDOW = (
    Param("low", Real(), None, "intensity that becomes black; default: the data server's window"),
    Param("high", Real(), None, "intensity that becomes white"),
)
SHEET_SIZES = (
    Param("cell", Whole(8, 256), 96, "largest side of a cell in pixels"),
    Param("columns", Whole(1, SHEET_ROWS), 10, "cells in a line"),
    *_WINDOW,
)
_SHEET = (
    VERSION,
    Param("rows", Rows(SHEET_ROWS), "0-99", "rows in the order they are wanted, like 0-99,120"),
    *SHEET_SIZES,
)
IMAGE = (
    Param("size", Whole(8, 4096), None, "largest side in pixels; never enlarged"),
    Param("axis", _AXIS, None, "for volumes"),
    Param("slice", Whole(0, 2**31 - 1), None, "for volumes; default: the middle one"),
    *_WINDOW,
)
MONTAGE = (
    Param("count", Whole(1, 64), 16, "how many slices"),
    Param("size", Whole(8, 512), None, "largest side of a slice in pixels"),
    Param("axis", _AXIS, None, "what the slices are cut across"),
    *_WINDOW,
)
_ONE = "/api/v1/datasets/{namespace}/{name}"
_SAMPLE = f"{_ONE}/samples/{{row}}"
_KINDS: Mapping[str, Kind] = {**OBJECT, "row": ROW}
RAW = (Reply(200, media="application/octet-stream"), Reply(206, media="application/octet-stream"), *PNG[1:])
ROUTES = (
    Route(
        *("GET", f"{_ONE}/sheet", Permission.CONTENT, sheet, "A contact sheet", PNG),
        kinds=OBJECT,
        query=_SHEET,
    ),
    Route(
        *("GET", f"{_SAMPLE}/image", Permission.CONTENT, image, "A sample as a picture", PNG),
        kinds=_KINDS,
        query=(VERSION, *IMAGE),
    ),
    Route(
        *("GET", f"{_SAMPLE}/montage", Permission.CONTENT, montage, "A volume's slices", PNG),
        kinds=_KINDS,
        query=(VERSION, *MONTAGE),
    ),
    Route(
        *(
            "GET",
            f"{_SAMPLE}/about",
            Permission.CONTENT,
            about,
            "A sample's intensities",
            (Reply(200, "About"), PNG[1]),
        ),
        kinds=_KINDS,
        query=(VERSION,),
    ),
    Route(
        *("GET", f"{_SAMPLE}/raw", Permission.CONTENT, raw, "A sample's original bytes", RAW),
        kinds=_KINDS,
        query=(VERSION,),
        audit="download",
        streams=True,
    ),
)
