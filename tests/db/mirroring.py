"""A mirror with the cache that feeds it, and what it wrote. Used by test_mirror*.py and tests/loop/test_mirror.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg2

from blueno import names
from blueno.db.config import DatabaseConfig
from blueno.db.connect import as_blueno_error, connect
from blueno.db.tables import DATASETS
from blueno.errors import Unavailable
from controllers.cache import Cache
from controllers.mirror import Mirror
from tests.make import a_body

PATIENCE = 40.0  # seconds for anything to happen


class Mirrored:
    """One operator's cache and mirror, and a reader's view of the database."""

    def __init__(self, database: DatabaseConfig, epoch: int = 1) -> None:
        self.database = database
        self.epoch = epoch
        self.cache = Cache()
        self.mirror = Mirror(database.url_file, lambda: self.epoch)
        for kind in names.KINDS:
            self.cache.observe(kind, self.mirror.observer(kind))

    def start(self) -> Mirrored:
        self.mirror.start()
        return self

    def stop(self) -> None:
        self.mirror.stop()
        if self.mirror._thread.ident is not None:
            self.mirror._thread.join(PATIENCE)  # the machine may be slow
        assert not self.mirror._thread.is_alive(), "the mirror's thread does not end"

    def put(self, uid: str, reason: str = "Pending", **more: Any) -> dict[str, Any]:
        """The Dataset as it is from now on."""
        meta = {"labels": more.pop("labels", {})}
        body = a_body(more.pop("name", f"d-{uid[-12:]}"), uid=uid, status=a_state(reason, **more), meta=meta)
        self.cache.upsert(names.DATASET_KIND, body)
        return body

    def remove(self, uid: str) -> None:
        """The Dataset is gone."""
        self.cache.remove(names.DATASET_KIND, uid)

    def waiting(self) -> int:
        """Changes that are not written."""
        return len(self.mirror._changes._waiting)

    def read(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows, from a connection of its own; raises Unavailable while there is none to be had."""
        connection = connect(self.database, application="reader")
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
            connection.commit()
            return found
        except psycopg2.Error as error:
            raise as_blueno_error(error) from error
        finally:
            connection.close()

    def live(self) -> dict[str, tuple[Any, ...]]:
        """uid → everything that a rebuild has to bring back."""
        columns = ", ".join(DATASETS.columns)
        rows = self.read(f"SELECT {columns} FROM projection.dataset WHERE deleted_at IS NULL")
        return {str(row[0]): row[1:] for row in rows}

    def reasons(self) -> dict[str, str]:
        """uid → reason, of the live ones."""
        return dict(self.read("SELECT uid::text, reason FROM projection.dataset WHERE deleted_at IS NULL"))

    def log(self) -> list[tuple[str, str]]:
        """(uid, op) of change_log, in its order."""
        return [(u, o) for u, o in self.read("SELECT uid::text, op FROM projection.change_log ORDER BY seq")]

    def history(self, uid: str) -> list[str]:
        """Reasons of an object, oldest first."""
        return [r for (r,) in self.read("SELECT reason FROM record.history WHERE uid = %s ORDER BY id", uid)]

    def current(self) -> None:
        """Wait until the database says what the cache says."""
        until(lambda: self.reasons() == self.expected(), lambda: f"{self.reasons()} is not {self.expected()}")

    def expected(self) -> dict[str, str]:
        """uid → reason, by the cache."""
        bodies = self.cache.all(names.DATASET_KIND)
        return {b["metadata"]["uid"]: b["status"]["conditions"][0]["reason"] for b in bodies}


def a_state(reason: str, **more: Any) -> dict[str, Any]:
    """A status whose Ready condition has this reason."""
    ready = "True" if reason == "Available" else "False"
    since = "2026-03-01T11:00:00Z"
    condition = {"type": "Ready", "status": ready, "reason": reason, "message": "m", "lastTransitionTime": since}
    return {"observedGeneration": 1, "conditions": [condition], **more}


def uid_of(number: int) -> str:
    """A uid of one's own."""
    return f"00000000-0000-4000-8000-{number:012}"


def until(true: Callable[[], Any], what: Callable[[], str] = lambda: "it") -> Any:
    """Wait for something; its value."""
    end = time.monotonic() + PATIENCE
    while True:
        with suppress(Unavailable):
            if value := true():
                return value
        assert time.monotonic() < end, what()
        time.sleep(0.02)
