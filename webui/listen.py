"""Reads the stream of changes from PostgreSQL, once for all clients: a thread with a connection of its own.

Started by app.py; what it finds goes to stream.py's Hub on the event loop. It LISTENs, reads the change log when it is
told to (and every PING_SECONDS, which also proves that the server is there), and turns rows into events. Whatever
happens to PostgreSQL, it comes back by itself and goes on where it was.
"""

from __future__ import annotations

import json
import logging
import select
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg2

from blueno import names
from blueno.db.changes import CHANNEL, Change, Stream, select_changes, select_stream
from blueno.db.config import DatabaseConfig
from blueno.db.connect import Connection, Cursor, as_blueno_error, connect
from blueno.db.datasets import select_datasets_by_uid
from blueno.db.tombstones import select_names
from blueno.db.training_runs import select_runs_by_uid
from blueno.errors import BluenoError
from webui.run_views import run_summary
from webui.views import summary

log = logging.getLogger("blueno.web.listen")

PING_SECONDS = 3.0
PAGE = 500  # changes read at once
WAITS = (0.2, 0.5, 1.0, 2.0)  # seconds between attempts to come back
STATEMENT_MS = 5000


@dataclass(frozen=True)
class Event:
    """A change, ready to be sent: `text` is the whole server-sent event."""

    seq: int
    kind: str
    uid: str
    namespace: str
    text: bytes


@dataclass(frozen=True)
class News:
    """What the thread found. `events` follow what was published before, unless `reset`: then something was missed."""

    up: bool  # the database answers
    stream: str = ""  # id of the projection's life
    first_seq: int = 0
    position: int = 0  # everything up to here has been published
    heartbeat_age: float | None = None  # seconds, as measured now
    events: tuple[Event, ...] = ()
    reset: bool = False


class Listener:
    """`publish` is called from the thread."""

    def __init__(self, config: DatabaseConfig, publish: Callable[[News], None]) -> None:
        self._config = replace(config, statement_timeout_ms=STATEMENT_MS)
        self._publish = publish
        self._stop = threading.Event()
        self._stream = ""
        self._position = 0
        self._thread = threading.Thread(target=self._run, name="listen", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns at once; the thread ends within PING_SECONDS and is not waited for."""
        self._stop.set()

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self._follow()
            except (BluenoError, psycopg2.Error) as error:
                said = as_blueno_error(error) if isinstance(error, psycopg2.Error) else error
                log.warning("the change feed waits: %s", said)
            except Exception:
                log.exception("the change feed fell over a mistake of ours and begins again")
            self._publish(News(up=False))
            failures = 0 if time.monotonic() - began > 10 else failures + 1
            self._stop.wait(WAITS[min(failures, len(WAITS)) - 1] if failures else WAITS[0])

    def _follow(self) -> None:
        connection = connect(self._config, application="blueno-web-events")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
                while not self._stop.is_set():
                    self._catch_up(cursor)
                    _wait(connection)
        finally:
            connection.close()

    def _catch_up(self, cursor: Cursor) -> None:
        """Publishes everything new. At the first time and after a gap it begins at the end of the log."""
        stream = select_stream(cursor)
        if stream.id != self._stream or _has_gap(stream, self._position):
            known, self._stream, self._position = self._stream, stream.id, stream.last_seq
            self._publish(self._news(stream, (), reset=bool(known)))
            return
        while True:
            changes = select_changes(cursor, self._position, PAGE)
            events = make_events(cursor, stream.id, changes)
            if changes:
                self._position = changes[-1].seq
            self._publish(self._news(stream, events))
            if len(changes) < PAGE:
                return

    def _news(self, stream: Stream, events: tuple[Event, ...], reset: bool = False) -> News:
        return News(True, stream.id, stream.first_seq, self._position, stream.heartbeat_age, events, reset)


def _has_gap(stream: Stream, position: int) -> bool:
    """Whether the log was cut after `position`, or is shorter than it was (restored from a copy)."""
    if not stream.last_seq:
        return False  # everything was pruned: there was nothing new since
    return position > stream.last_seq or position < stream.first_seq - 1


def make_events(cursor: Cursor, stream: str, changes: list[Change]) -> tuple[Event, ...]:
    """One event per object, as it stands now, in the order of each object's last change."""
    last: dict[str, Change] = {}
    for change in changes:
        last.pop(change.uid, None)
        last[change.uid] = change
    if not last:
        return ()
    objects = _objects(cursor, last)
    gone = [uid for uid in last if uid not in objects]
    known = select_names(cursor, gone) if gone else {}
    events = []
    for uid, change in last.items():
        found = objects.get(uid)
        if found is None and uid not in known:
            continue  # pruned since: nobody can be showing it
        body = {
            "kind": change.kind,
            "op": "delete" if found is None else "upsert",
            "uid": uid,
            "namespace": change.namespace,
            "name": known[uid] if found is None else found["name"],
            "object": found,
        }
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        text = f"event: change\nid: {stream}-{change.seq}\ndata: {data}\n\n".encode()
        events.append(Event(change.seq, change.kind, uid, change.namespace, text))
    return tuple(events)


def _objects(cursor: Cursor, last: Mapping[str, Change]) -> dict[str, dict[str, Any]]:
    """uid → what lists show of it, of those that live."""
    found: dict[str, dict[str, Any]] = {}
    datasets = [uid for uid, change in last.items() if change.kind == names.DATASET_KIND]
    runs = [uid for uid, change in last.items() if change.kind == names.TRAINING_RUN_KIND]
    if datasets:
        found |= {row.uid: summary(row) for row in select_datasets_by_uid(cursor, datasets)}
    if runs:
        found |= {row.uid: run_summary(row) for row in select_runs_by_uid(cursor, runs)}
    return found


def _wait(connection: Connection) -> None:
    """Until there is a notification, for PING_SECONDS at most."""
    if not connection.notifies:
        poll = select.poll()  # select() knows no descriptor above 1023, and there may be many connections
        poll.register(connection.fileno(), select.POLLIN)
        if poll.poll(PING_SECONDS * 1000):
            connection.poll()
    connection.notifies.clear()
