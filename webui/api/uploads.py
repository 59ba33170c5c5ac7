"""Samples come and go: bundles, large files in chunks, removals. All of it is the data server's to judge and to keep;
here it is only asked who may, how much at once, and written down who did.
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from blueno import names
from blueno.data.removal import REMOVALS, REMOVALS_BYTES
from webui.api.parameters import OBJECT
from webui.api.targets import server_of, target
from webui.bodies import Incoming
from webui.call import Call
from webui.kinds import Field, Object, Text, Whole
from webui.problems import Problem
from webui.routes import Answer, Param, Permission, Reply, Route, Stream
from webui.working_news import change
from webui.writing import Answered, Request, ask, senseless

BUNDLE_LIMIT = 64 << 20  # bytes of the whole
CHUNK_LIMIT = 16 << 20
COUNTED = 256 << 10  # bytes of an answer that is looked into for the audit row
_COUNTS = ("revision", "created", "same", "replaced", "removed", "missing")


async def bundle(call: Call) -> web.Response:
    """Adds many samples; each is taken or refused for itself."""
    return await _send(call, "/bundles", names.BUNDLE_TYPE)


async def removals(call: Call) -> web.Response:
    """Takes samples away, by key."""
    return await _send(call, "/removals", "application/json")


async def begin(call: Call) -> Answer:
    """A large file will come."""
    limit = call.services.config.upload_limit
    if call.body["bytes"] > limit:
        raise Problem(413, "too_large", f"a file has at most {limit} bytes", more={"limit": limit})
    call.services.quotas.begin(call.person.email)
    asked = {key: value for key, value in call.body.items() if value is not None}
    call.detail = asked
    answer = await _ask(call, Request("POST", "/uploads", headers=_JSON, body=json.dumps(asked).encode()))
    number = answer.value.get("id")
    if not isinstance(number, str):
        raise senseless()
    call.outcome = {"upload": number}
    return Answer({"id": number, "offset": 0}, 201)


async def append(call: Call) -> Answer:
    """The next chunk of a large file: acknowledged when it is on the volume."""
    incoming: Incoming = call.body
    headers = {names.UPLOAD_OFFSET: str(call.values["offset"]), "Content-Type": _BYTES}
    async with call.services.quotas.upload(call.person.email):
        request = Request(*("PATCH", _path(call)), headers=headers, body=incoming.chunks(), length=incoming.length)
        answer = await _ask(call, request)
    return Answer(None, 204, _offset(answer))


async def look(call: Call) -> Answer:
    """How much of it is there: where to go on."""
    answer = await _ask(call, Request("HEAD", _path(call)))
    headers = _offset(answer)
    return Answer({"id": call.values["id"], "offset": int(headers[names.UPLOAD_OFFSET])}, headers=headers)


async def give_up(call: Call) -> Answer:
    """It will not be finished."""
    await _ask(call, Request("DELETE", _path(call)))
    return Answer(None, 204)


async def _send(call: Call, path: str, media: str) -> web.Response:
    incoming: Incoming = call.body
    async with call.services.quotas.upload(call.person.email):
        request = Request(
            *("POST", path),
            headers={"Content-Type": media},
            body=incoming.chunks(),
            length=incoming.length,
            before=call.intend,
        )
        answer = await change(call, server_of(call, await target(call)), request)
    call.outcome = _counts(answer)
    return web.Response(status=answer.status, body=answer.raw, content_type="application/json")


async def _ask(call: Call, request: Request) -> Answered:
    return await ask(call, server_of(call, await target(call)), request)


def _path(call: Call) -> str:
    return f"/uploads/{call.values['id']}"


def _offset(answer: Answered) -> dict[str, str]:
    text = answer.headers.get(names.UPLOAD_OFFSET, "")
    if not (text.isascii() and text.isdecimal()):
        raise senseless()
    return {names.UPLOAD_OFFSET: text}


def _counts(answer: Answered) -> dict[str, Any]:
    """What became of it, for the audit row."""
    if len(answer.raw) > COUNTED:
        return {}
    value = answer.value
    if not isinstance(value, dict):
        raise senseless()
    found = {name: value[name] for name in _COUNTS if isinstance(value.get(name), int)}
    refused = value.get("refused")
    return found | ({"refused": len(refused)} if isinstance(refused, list) else {})


_JSON = {"Content-Type": "application/json"}
_BYTES = "application/octet-stream"
SHA256 = Text(max=64, min=64, pattern="[0-9a-f]{64}", hint="must be 64 lower-case hexadecimal digits")
_ID = Text(max=128, min=1, pattern="[A-Za-z0-9_-]+", hint="must be the id of an upload")
_REMOVALS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "keys": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 1024}, "maxItems": REMOVALS},
        "purge": {"type": "boolean"},
    },
    "required": ["keys"],
    "additionalProperties": False,
}
_OFFSET = {names.UPLOAD_OFFSET: "how many bytes of it are there"}
_ONE = "/api/v1/datasets/{namespace}/{name}"
_UPLOAD = f"{_ONE}/uploads/{{id}}"
ROUTES = (
    Route(
        *("POST", f"{_ONE}/bundles", Permission.WRITE, bundle, "Add samples", (Reply(200, "BundleResult"),)),
        kinds=OBJECT,
        stream=Stream(names.BUNDLE_TYPE, BUNDLE_LIMIT, "8 bytes little-endian: length of the head; head; contents"),
        audit="upload",
        streams=True,
    ),
    Route(
        *("POST", f"{_ONE}/removals", Permission.WRITE, removals, "Remove samples", (Reply(200, "RemovalResult"),)),
        kinds=OBJECT,
        stream=Stream("application/json", REMOVALS_BYTES, schema=_REMOVALS),
        audit="remove",
        streams=True,
    ),
    Route(
        *("POST", f"{_ONE}/uploads", Permission.WRITE, begin, "Begin a large file", (Reply(201, "Upload"),)),
        kinds=OBJECT,
        body=Object({"bytes": Field(Whole(1, 2**50)), "sha256": Field(SHA256, None)}),
        audit="begin-upload",
        keyed=True,
    ),
    Route(
        *("PATCH", _UPLOAD, Permission.WRITE, append, "Send its next chunk", (Reply(204, headers=_OFFSET),)),
        kinds={**OBJECT, "id": _ID},
        headers=(
            Param(names.UPLOAD_OFFSET, Whole(0, 2**50), about="where the chunk begins", key="offset", required=True),
        ),
        stream=Stream(_BYTES, CHUNK_LIMIT, any_media=True),  # no audit row: the upload has one (docs/adr/0021)
        streams=True,
    ),
    Route(
        *("GET", _UPLOAD, Permission.WRITE, look, "How much is there", (Reply(200, "Upload", headers=_OFFSET),)),
        kinds={**OBJECT, "id": _ID},
    ),
    Route(
        *("DELETE", _UPLOAD, Permission.WRITE, give_up, "Give a large file up", (Reply(204),)),
        kinds={**OBJECT, "id": _ID},
        audit="abandon-upload",
    ),
)
