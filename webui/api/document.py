"""GET /healthz, /readyz and /api/openapi.json."""

from __future__ import annotations

from webui.call import Call
from webui.openapi import document
from webui.routes import Answer, Permission, Reply, Route


async def alive(_: Call) -> Answer:
    """The event loop turns: a restart would not help with anything else."""
    return Answer({"status": "ok"})


async def ready(call: Call) -> Answer:
    """Requests are answered, with 503 where PostgreSQL is needed and away: people should see that, not a dead port."""
    if call.services.ending:
        return Answer({"status": "ending"}, 503)
    return Answer({"status": "ok"})


async def openapi(call: Call) -> Answer:
    """This API."""
    return Answer(document(call.services.registry, call.services.version))


_HEALTH = (Reply(200, "Health"),)
ROUTES = (
    Route("GET", "/healthz", Permission.OPEN, alive, "Whether the process lives", _HEALTH),
    Route(
        "GET", "/readyz", Permission.OPEN, ready, "Whether the process takes requests", (*_HEALTH, Reply(503, "Health"))
    ),
    Route("GET", "/api/openapi.json", Permission.PERSON, openapi, "This document", (Reply(200, "Document"),)),
)
