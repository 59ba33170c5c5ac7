"""Whether the database has lost what was written last: a standby took over, or an older copy was put in its place.

Called by mirror.py when a session begins. What mirror and recorder make of the cluster and of volumes comes back by
itself, once it is looked for. Versions are, by their digests; samples that were added one by one are told of by a
notice, which is lost with their rows: all working sets get one more. The projection begins another life, because
numbers in its log of changes come a second time.
"""

from __future__ import annotations

from datetime import datetime

import psycopg2

from blueno.db import working_notices
from blueno.db.connect import Cursor

_FOUND = "SELECT server, heartbeat_at FROM projection.stream FOR UPDATE"
# A promoted standby and a recovery to a point in time begin another timeline; a restored dump makes the table anew.
_SERVER = """
SELECT concat_ws('-', (SELECT system_identifier FROM pg_control_system()),
    left(pg_walfile_name(pg_current_wal_lsn()), 8), 'projection.stream'::regclass::oid)
"""
_SET = "UPDATE projection.stream SET server = %s"
_ANOTHER_LIFE = "UPDATE projection.stream SET id = replace(gen_random_uuid()::text, '-', '')"


def notice(cursor: Cursor, known: datetime | None) -> str:
    """ "" or a sentence that says what has happened; then everything that may be lost is about to be looked for.

    `known` is the newest heartbeat that the caller knows to be committed: it tells of a copy of files that was put in
    place, in which nothing else differs.
    """
    cursor.execute(_FOUND)
    row = cursor.fetchone()
    if row is None:
        return ""  # who takes the row says so
    before, heartbeat = row
    server = _server(cursor)
    if server is not None and server != before:
        cursor.execute(_SET, (server,))
    another = None not in (server, before) and server != before
    older = None not in (known, heartbeat) and heartbeat < known
    if not another and not older:
        return ""
    cursor.execute(_ANOTHER_LIFE)
    working_notices.tell_of_all(cursor)
    return (
        f"PostgreSQL is {'another server' if another else 'an older copy'} than before, last written at {heartbeat}: "
        "what comes from the cluster and from volumes is brought up to date; users, tokens, audit rows and records of "
        "runs that came later may be lost (runbook: PostgreSQL was replaced)"
    )


def _server(cursor: Cursor) -> str | None:
    """None where PostgreSQL does not tell: some that others run know no WAL."""
    cursor.execute("SAVEPOINT server")
    try:
        cursor.execute(_SERVER)
        row = cursor.fetchone()
    except psycopg2.Error:
        cursor.execute("ROLLBACK TO SAVEPOINT server")
        return None
    return row[0] if row else None
