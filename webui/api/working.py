"""The working set: one sample of it, as the data server has it now. Pages of it are rows of the database."""

from __future__ import annotations

from aiohttp import web

from webui.api.parameters import OBJECT
from webui.api.targets import server_of, target
from webui.call import Call
from webui.kinds import Text
from webui.routes import Param, Permission, Reply, Route
from webui.writing import read

KEY = Text(max=1024, min=1)


async def sample(call: Call) -> web.Response:
    """Its record: what was put last, whatever the database has heard of it."""
    answer = await read(call, server_of(call, await target(call)), "/samples", {"key": call.values["key"]})
    return web.Response(body=answer.raw, content_type="application/json")


ROUTES = (
    Route(
        *("GET", "/api/v1/datasets/{namespace}/{name}/working/sample", Permission.READ, sample),
        *("A sample of the working set", (Reply(200, "WorkingSample"),)),
        kinds=OBJECT,
        query=(Param("key", KEY, about="its key", required=True),),
        served=True,
    ),
)
