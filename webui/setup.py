"""The first user's one-time code: printed in the log at start while there is nobody. Run by app.py, used by
api/session.py.

The code is made from a seed in PostgreSQL and from session.key: every web process shows the same one, whatever
starts last, and neither a row nor a key alone is enough to know it.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets

from blueno.db import people
from blueno.db.connect import Cursor
from webui.database import Database
from webui.keys import Keys
from webui.problems import Problem

log = logging.getLogger("blueno.web.setup")

_SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: they are misread
_LENGTH = 12  # 60 bits
_ALIKE = str.maketrans("ILO", "110")
_SEED_BYTES = 32
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)


def code_of(seed: bytes, keys: Keys) -> str:
    """Twelve signs without dashes."""
    number = int.from_bytes(keys.session_sum(f"setup {seed.hex()}"))
    return "".join(_SIGNS[number >> (5 * i) & 31] for i in range(_LENGTH))


def shown(code: str) -> str:
    """XXXX-XXXX-XXXX."""
    return "-".join(code[i : i + 4] for i in range(0, len(code), 4))


def tidy(typed: str) -> str:
    """The code as a person may type it: any case, with or without dashes and spaces, O for 0."""
    return "".join(sign for sign in typed.upper().translate(_ALIKE) if sign in _SIGNS)


def use_code(cursor: Cursor, typed: str, keys: Keys) -> bool:
    """Takes the code away if it is this one and there is nobody yet; of two at once, one gets True."""
    seed = people.lock_setup_seed(cursor)
    if seed is None or not hmac.compare_digest(code_of(seed, keys), tidy(typed)):
        return False
    people.forget_setup_seed(cursor)
    return True


async def offer_code(database: Database, keys: Keys) -> None:
    """Prints the code if there is nobody; waits for a database that is not there yet."""
    seed, attempt = secrets.token_bytes(_SEED_BYTES), 0
    while True:
        try:
            kept = await database.write(people.ensure_setup_seed, seed)
        except Problem:
            await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
            attempt += 1
            continue
        if kept is not None:
            log.warning("first user: open /setup and enter the code %s", shown(code_of(kept, keys)))
        return
