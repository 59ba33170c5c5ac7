"""`python -m blueno.db migrate`: the init container of the web Deployment. Waits for PostgreSQL, migrates, exits.

`python -m blueno.db drop-projection` removes schema `projection` in steps that any server can take, however many
versions it holds; operator and recorder make it again.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence

from blueno.db.config import DatabaseConfig
from blueno.db.connect import Connection, connect
from blueno.db.migrate import migrate
from blueno.db.versions import drop_projection
from blueno.errors import BluenoError, InvalidSpec, Unavailable

WAIT_SECONDS = 600.0
STATEMENT_TIMEOUT_MS = 600_000
_PAUSE = 1.0
_VERBS: dict[str, Callable[[Connection], str]] = {
    "migrate": lambda connection: ", ".join(migrate(connection)) or "nothing to do",
    "drop-projection": lambda connection: f"{drop_projection(connection)} versions dropped",
}


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 done, 1 failed with a sentence, 2 for wrong arguments."""
    if len(arguments) != 1 or arguments[0] not in _VERBS:
        sys.stderr.write("usage: python -m blueno.db migrate|drop-projection\n")
        return 2
    try:
        config = DatabaseConfig.from_env(os.environ)
        say(f"{arguments[0]}: {run(config, _VERBS[arguments[0]])}")
    except BluenoError as error:
        say(f"{arguments[0]} failed: {error}")
        return 1
    return 0


def run(config: DatabaseConfig, work: Callable[[Connection], str], wait_seconds: float = WAIT_SECONDS) -> str:
    """Does `work` as soon as there is a connection; raises Unavailable after `wait_seconds` without one."""
    started = time.monotonic()
    told = ""
    while True:
        try:
            connection = connect(config, application="blueno-migrate", statement_timeout_ms=STATEMENT_TIMEOUT_MS)
            break
        except Unavailable as error:
            waited = time.monotonic() - started
            if waited > wait_seconds:
                raise Unavailable(f"no PostgreSQL within {wait_seconds:.0f} s: {error}") from None
            line = f"waiting for PostgreSQL ({{:.0f}} s): {str(error).replace('{', '(').replace('}', ')')}"
            if line != told or int(waited) % 10 == 0:
                say(line.format(waited))
                told = line
            time.sleep(_PAUSE)
    try:
        return work(connection)
    finally:
        connection.close()


def say(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except InvalidSpec as error:
        sys.exit(str(error))
