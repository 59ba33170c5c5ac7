"""Hears PostgreSQL's NOTIFY, in a thread with a connection of its own. Started by recorder.py.

What is notified is looked at in the tables; polling finds it too, only later. So this may fail in any way.
"""

from __future__ import annotations

import logging
import select
import threading
from collections.abc import Callable

import psycopg2

from blueno.db.changes import CHANNEL
from blueno.db.config import DatabaseConfig
from blueno.db.connect import Connection, connect
from blueno.db.working_notices import CHANNEL as WORKING_CHANNEL
from blueno.errors import BluenoError

log = logging.getLogger("blueno.recorder")

SILENCE_SECONDS = 20.0  # then the connection proves that it still is one
RETRY_SECONDS = 5.0


class Listener:
    """Calls `heard` from its thread."""

    def __init__(self, config: DatabaseConfig, heard: Callable[[], None]) -> None:
        self._config, self._heard = config, heard
        self._stop = threading.Event()

    def start(self) -> None:
        """Returns at once."""
        threading.Thread(target=self._run, name="listen", daemon=True).start()

    def stop(self) -> None:
        """Returns at once; the thread ends with its next step."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                connection = connect(self._config, application="blueno-recorder-listen")
            except BluenoError:
                self._stop.wait(RETRY_SECONDS)
                continue
            try:
                self._listen(connection)
            except (psycopg2.Error, OSError, ValueError) as error:  # ValueError: select on a closed connection
                log.info("not listening for a moment (%s)", type(error).__name__)
                self._stop.wait(RETRY_SECONDS)
            finally:
                connection.close()

    def _listen(self, connection: Connection) -> None:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
            cursor.execute(f"LISTEN {WORKING_CHANNEL}")
            silent = 0.0
            while not self._stop.is_set():
                ready, _, _ = select.select([connection], [], [], 1.0)
                if ready:
                    connection.poll()
                    if connection.notifies:
                        connection.notifies.clear()
                        self._heard()
                    silent = 0.0
                    continue
                silent += 1.0
                if silent >= SILENCE_SECONDS:
                    cursor.execute("SELECT 1")
                    silent = 0.0
