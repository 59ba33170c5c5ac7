"""Pictures and original bytes of samples that are not sealed yet, passed through from the data set's own server.

They are asked for by key and the beginning of their content's sha256: what was fetched once never changes, and what
another content has replaced meanwhile is not there any more.
"""

from __future__ import annotations

from aiohttp import web

from webui.api.datasets import the_dataset
from webui.api.parameters import OBJECT
from webui.api.pixels import IMAGE, KEPT, MONTAGE, PNG, RAW, SHEET_ROWS, SHEET_SIZES, check_window, nothing, text_of
from webui.call import Call
from webui.dataservers import Wanted
from webui.headers import ORIGINALS_POLICY
from webui.kinds import Text
from webui.problems import FieldError, invalid
from webui.routes import Param, Permission, Reply, Route
from webui.working_kinds import Numbers

_ONE = ("key", "sha256")


async def sheet(call: Call) -> web.StreamResponse:
    """Many thumbnails as one picture."""
    return await _fetch(call, "sheet", ("seqs",), ("cell", "columns", "low", "high"))


async def image(call: Call) -> web.StreamResponse:
    """One picture, or one slice."""
    return await _fetch(call, "image", _ONE, ("size", "axis", "slice", "low", "high"))


async def montage(call: Call) -> web.StreamResponse:
    """Slices of a volume side by side."""
    return await _fetch(call, "montage", _ONE, ("count", "size", "axis", "low", "high"))


async def about(call: Call) -> web.StreamResponse:
    """True intensities: shape, type, range, histogram."""
    return await _fetch(call, "about", _ONE, (), "application/json")


async def raw(call: Call) -> web.StreamResponse:
    """The original bytes, to be saved. Who took which is in the audit table before the first byte leaves."""
    return await _fetch(call, "raw", _ONE, (), "application/octet-stream")


async def _fetch(
    call: Call, what: str, needed: tuple[str, ...], more: tuple[str, ...], media: str = "image/png"
) -> web.StreamResponse:
    values = call.values
    missing = [FieldError(f"query.{name}", "is missing") for name in needed if values[name] is None]
    if missing:
        raise invalid(missing)
    check_window(values)
    row = await the_dataset(call)
    call.services.looked.note(row.uid)
    is_original = what == "raw"
    headers = {"Content-Type": media, "Cache-Control": KEPT, "X-Request-Id": call.id, **call.headers}
    if is_original:
        headers["Content-Security-Policy"] = ORIGINALS_POLICY
        call.detail = {"key": values["key"], "sha256": values["sha256"]}
    wanted = Wanted(
        source=call.services.data_servers.of_dataset(row),
        path=f"/v1/working/{what}",
        query={name: text_of(values[name]) for name in (*needed, *more) if values[name] is not None},
        headers=headers,
        limit=None if is_original else Wanted.limit,
        attachment=is_original,
        before=(lambda: call.change(nothing)) if is_original else None,
    )
    return await call.services.data_servers.fetch(wanted, call.request, call.person.email)


_SUM = Text(max=64, min=16, pattern="[0-9a-f]{16,64}", hint="must be a sha256, or its first 16 digits or more")
_SAMPLE = (
    Param("key", Text(max=1024, min=1), None, "the sample's key; needed"),
    Param("sha256", _SUM, None, "of its content, or the first 16 digits or more of it; needed"),
)
_SEQS = Param("seqs", Numbers(SHEET_ROWS), None, "`seq` of samples in the order in which they are wanted; needed")
_ALL = "/api/v1/datasets/{namespace}/{name}/working"
ROUTES = (
    Route(
        *("GET", f"{_ALL}/sheet", Permission.CONTENT, sheet, "A contact sheet of the working set", PNG),
        kinds=OBJECT,
        query=(_SEQS, *SHEET_SIZES),
    ),
    Route(
        *("GET", f"{_ALL}/image", Permission.CONTENT, image, "A sample of the working set as a picture", PNG),
        kinds=OBJECT,
        query=(*_SAMPLE, *IMAGE),
    ),
    Route(
        *("GET", f"{_ALL}/montage", Permission.CONTENT, montage, "A volume's slices, of the working set", PNG),
        kinds=OBJECT,
        query=(*_SAMPLE, *MONTAGE),
    ),
    Route(
        *("GET", f"{_ALL}/about", Permission.CONTENT, about, "A sample's intensities, of the working set"),
        (Reply(200, "About"), PNG[1]),
        kinds=OBJECT,
        query=_SAMPLE,
    ),
    Route(
        *("GET", f"{_ALL}/raw", Permission.CONTENT, raw, "Original bytes, of the working set", RAW),
        kinds=OBJECT,
        query=_SAMPLE,
        audit="download",
        streams=True,
    ),
)
