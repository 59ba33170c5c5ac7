"""Around a write to a working set that is passed on: so that the recorder reads it at once, and in any case.

Used by what passes bundles and removals on. Calls blueno/db/working_notices.py, which tells how it works.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from blueno.db import working_notices
from webui.database import Database
from webui.problems import Problem

log = logging.getLogger("blueno.web.working")


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
