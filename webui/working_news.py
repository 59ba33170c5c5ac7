"""Around a write to a working set that is passed on: so that the recorder reads it at once, and in any case.

Used by api/uploads.py and api/platform/, which pass bundles and removals on. Calls writing.py, and
blueno/db/working_notices.py, which tells how it works.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from blueno.db import working_notices
from webui.call import Call
from webui.database import Database
from webui.dataservers import Source
from webui.problems import Problem
from webui.writing import Answered, Request, ask

log = logging.getLogger("blueno.web.working")


async def change(call: Call, source: Source, request: Request) -> Answered:
    """The answer to a request that changes the working set of a data set, by whose uid `source` is granted.

    Noted when the data server is there and before it has the body: one that only starts is not told of each attempt.
    """
    noting: asyncio.Task[None] | None = None
    async with AsyncExitStack() as stack:

        async def before() -> None:
            nonlocal noting
            noting = asyncio.create_task(stack.enter_async_context(noted(call.services.database, source.grant)))
            await asyncio.shield(noting)
            if request.before is not None:
                await request.before()

        try:
            return await ask(call, source, replace(request, before=before))
        finally:
            if noting is not None:  # the sending may have been cut off in the middle of it: what began is ended, too
                await asyncio.wait([noting])


@asynccontextmanager
async def noted(database: Database, dataset_uid: str) -> AsyncIterator[None]:
    """The block writes. Raises Problem 503 when it cannot be noted that it is about to: then it does not run."""
    await database.write(working_notices.begin, dataset_uid)
    try:
        yield
    finally:
        try:
            await database.write(working_notices.tell, dataset_uid)
        except Problem as problem:  # what was noted before is enough: the recorder looks a little later
            log.warning("the recorder is not told of a write to %s: %s", dataset_uid, problem)
