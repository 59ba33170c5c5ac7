"""What a training run has written: its directory on the outputs claim, passed through from the claim's own server.

Whoever may see a run may see its outputs, as with its log. A run that was deleted is there for 7 days more; the files
stay where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from blueno import filenames
from blueno.db.connect import Cursor
from blueno.resources.api import TRAINING_RUNS
from blueno.resources.row import mapping
from webui.api.parameters import RUN
from webui.api.training_runs import the_run
from webui.call import Call
from webui.dataservers import Source, Wanted
from webui.headers import ORIGINALS_POLICY
from webui.kinds import Text, Whole, wrong
from webui.problems import Problem
from webui.routes import Param, Permission, Reply, Route

PAGE = 1000  # entries
PATH = 4096  # characters
# What a browser may be told a file is: pictures that it can show, and nothing that could run or be taken for a page.
_MEDIA = {
    **dict.fromkeys(("txt", "log", "csv", "tsv", "json", "jsonl", "yaml", "yml", "md"), "text/plain; charset=utf-8"),
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
}
_BYTES = "application/octet-stream"


@dataclass(frozen=True)
class PathText(Text):
    """A path below a run's directory, written as blueno/filenames.py has it."""

    max: int = PATH

    def check(self, value: Any) -> str:
        text = super().check(value)
        try:
            filenames.steps(text)
        except ValueError as error:
            raise wrong(str(error)) from None
        return text


async def outputs(call: Call) -> web.StreamResponse:
    """A page of a directory."""
    values = call.values
    query = {"path": values["path"], "limit": str(values["limit"])}
    if values["cursor"] is not None:
        query["after"] = values["cursor"]
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return await _fetch(call, "list", query, headers)


async def raw(call: Call) -> web.StreamResponse:
    """A file, to be saved. Who took which is in the audit table before the first byte leaves."""
    ending = call.values["path"].rpartition("/")[2].rpartition(".")[2].lower()
    headers = {"Content-Type": _MEDIA.get(ending, _BYTES), "Cache-Control": "private, no-cache"}
    return await _fetch(call, "file", {"path": call.values["path"]}, headers)


async def tar(call: Call) -> web.StreamResponse:
    """A directory with all that is in it, as one archive; audited as a file is."""
    headers = {"Content-Type": "application/x-tar", "Cache-Control": "no-store"}
    return await _fetch(call, "tar", {"path": call.values["path"]}, headers)


async def _fetch(call: Call, what: str, query: Mapping[str, str], headers: Mapping[str, str]) -> web.StreamResponse:
    row, document = await the_run(call)
    place = mapping(mapping(document.get("status")).get("outputs"))
    claim, directory = str(place.get("claimName") or ""), str(place.get("path") or "")
    source = _source(call, row.namespace, claim, directory)
    looked = call.services.looked
    looked.note((row.namespace, claim))
    is_download = what != "list"
    dressed = {**headers, "X-Request-Id": call.id, **call.headers}
    if is_download:
        dressed["Content-Security-Policy"] = ORIGINALS_POLICY
        call.detail = {"path": query["path"], "archive": what == "tar"}
    wanted = Wanted(
        source=source,
        path=f"/v1/outputs/{directory}/{what}",
        query=query,
        headers=dressed,
        limit=None if is_download else Wanted.limit,
        attachment=is_download,
        before=(lambda: call.change(_nothing)) if is_download else None,
    )
    try:
        return await call.services.data_servers.fetch(wanted, call.request, call.person.email)
    except Problem as problem:
        why = looked.said((row.namespace, claim))
        if problem.code != "data_server_starting" or not why:
            raise
        raise Problem(409, "outputs_unavailable", why) from None


def _source(call: Call, namespace: str, claim: str, directory: str) -> Source:
    """Raises Problem 404 for a run that has no directory yet."""
    try:
        return call.services.data_servers.of_outputs(namespace, claim, directory)
    except ValueError:
        text = "the run has not begun: it has no directory for outputs yet"
        raise Problem(404, "no_outputs", text) from None


def _nothing(_: Cursor) -> None:
    """Only the audit row is written."""


_ONE = "/api/v1/trainingruns/{namespace}/{name}/outputs"
_WHERE = Param("path", PathText(), "", r"below the run's directory; a backslash is written \\, other bytes \xNN")
_FILE = (Reply(200, media=_BYTES), Reply(206, media=_BYTES), Reply(304, about="as you have it"))
ROUTES = (
    Route(
        *("GET", _ONE, Permission.READ, outputs, "What it has written", (Reply(200, "Outputs"),)),
        kinds=RUN,
        query=(
            _WHERE,
            Param("limit", Whole(1, PAGE), PAGE, "how many at most"),
            Param("cursor", Text(max=PATH), None, "`next` of another answer"),
        ),
        about=TRAINING_RUNS,
        served=True,
    ),
    Route(
        *("GET", f"{_ONE}/raw", Permission.READ, raw, "A file that it has written", _FILE),
        kinds=RUN,
        query=(_WHERE,),
        audit="download",
        streams=True,
        about=TRAINING_RUNS,
        served=True,
    ),
    Route(
        *("GET", f"{_ONE}/tar", Permission.READ, tar, "A directory that it has written, as a tar"),
        (Reply(200, media="application/x-tar"),),
        kinds=RUN,
        query=(_WHERE,),
        audit="download",
        streams=True,
        about=TRAINING_RUNS,
        served=True,
    ),
)
