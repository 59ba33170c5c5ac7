"""The first user's one-time code: printed in the log at start while there is nobody. Run by app.py, used by
api/session.py.
"""

from __future__ import annotations

import asyncio
import logging
import secrets

from blueno.db import people
from webui.auth import Doorkeeper
from webui.database import Database
from webui.problems import Problem

log = logging.getLogger("blueno.web.setup")

_SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: they are misread
_LENGTH = 12  # 60 bits
_ALIKE = str.maketrans("ILO", "110")
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)


def new_code() -> str:
    """Twelve signs without dashes."""
    return "".join(secrets.choice(_SIGNS) for _ in range(_LENGTH))


def shown(code: str) -> str:
    """XXXX-XXXX-XXXX."""
    return "-".join(code[i : i + 4] for i in range(0, len(code), 4))


def tidy(typed: str) -> str:
    """The code as a person may type it: any case, with or without dashes and spaces, O for 0."""
    return "".join(sign for sign in typed.upper().translate(_ALIKE) if sign in _SIGNS)


async def offer_code(database: Database, keeper: Doorkeeper) -> None:
    """Prints a new code if there is nobody; waits for a database that is not there yet."""
    code, attempt = new_code(), 0
    while True:
        try:
            offered = await database.write(people.replace_setup_code, keeper.code_sum(code))
        except Problem:
            await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
            attempt += 1
            continue
        if offered:
            log.warning("first user: open /setup and enter the code %s", shown(code))
        return
