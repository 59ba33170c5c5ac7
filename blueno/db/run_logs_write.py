"""Stores the logs of training pods. Called by blueno/recorder/ only: what it stores is told in 0003_training.sql.

Each function takes a cursor in a transaction; `append_log` moves the position in the same one, so that a recorder that
is killed at any moment neither doubles nor loses a byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from blueno.db.connect import Cursor
from blueno.db.run_logs import CHUNK, pack, unpack
from blueno.errors import Conflict, NotFound

HEAD_BYTES = 8 << 20  # of a run's text that stay whatever comes
KEPT_BYTES = 64 << 20  # of a run's text

_COLUMNS = "id, bytes, taken, head_bytes, head_sum, tail_lines, tail_sum, complete"
_NEW = """
INSERT INTO record.log (run_uid, attempt, namespace, pod, pod_uid) VALUES (%s::uuid, %s, %s, %s, %s)
ON CONFLICT (run_uid, pod_uid) DO NOTHING
"""
_ELSEWHERE = "SELECT 1 FROM record.history WHERE uid = %s::uuid AND namespace <> %s LIMIT 1"
_ONE = f"SELECT {_COLUMNS} FROM record.log WHERE run_uid = %s::uuid AND pod_uid = %s"  # noqa: S608  # constants
_LOCK = "SELECT run_uid::text, bytes, taken FROM record.log WHERE id = %s FOR UPDATE"
_MOVE = """
UPDATE record.log
SET bytes = %s, taken = %s, head_bytes = %s, head_sum = %s, tail_lines = %s, tail_sum = %s WHERE id = %s
"""
_INCOMPLETE = """
SELECT uid FROM unnest(%s::text[]) AS asked (uid)
WHERE NOT EXISTS (SELECT FROM record.log WHERE pod_uid = uid AND complete)
"""
_LAST = (
    "SELECT id, bytes, data FROM record.log_chunk WHERE log_id = %s AND first + bytes = %s ORDER BY first DESC LIMIT 1"
)
_GROW = "UPDATE record.log_chunk SET bytes = %s, data = %s WHERE id = %s"
_CHUNK = "INSERT INTO record.log_chunk (log_id, first, bytes, head, data) VALUES (%s, %s, %s, %s, %s)"
_OF_RUN = """
SELECT c.id, c.log_id, c.first, c.bytes, c.head FROM record.log_chunk c JOIN record.log l ON l.id = c.log_id
WHERE l.run_uid = %s::uuid ORDER BY c.id
"""
_DROP = "DELETE FROM record.log_chunk WHERE id = ANY(%s)"
_GAP = """
UPDATE record.log SET gap_from = least(gap_from, %s), gap_to = greatest(gap_to, %s) WHERE id = %s
"""


@dataclass(frozen=True)
class Place:
    """How far a pod's log has been taken, and by what that text can be known again: see record.log."""

    taken: int = 0
    head_bytes: int = 0
    head_sum: bytes = b""
    tail_lines: int = 0
    tail_sum: bytes = b""


@dataclass(frozen=True)
class StoredLog:
    """One pod's log: `bytes` of text are stored (or were, before the gap), which `place.taken` bytes became."""

    id: int
    bytes: int
    place: Place
    complete: bool


@dataclass(frozen=True)
class Budget:
    """Bytes of one run's text: `kept` in all, of which the first `head` stay; `chunk` in one row."""

    head: int = HEAD_BYTES
    kept: int = KEPT_BYTES
    chunk: int = CHUNK


def open_log(cursor: Cursor, run_uid: str, attempt: int, namespace: str, pod: str, pod_uid: str) -> StoredLog:
    """The log of this pod as it is stored, made when it is not there.

    Raises Conflict when the run is one of another namespace: anybody may label a pod.
    """
    cursor.execute(_ELSEWHERE, (run_uid, namespace))
    if cursor.fetchone() is not None:
        raise Conflict(f"pod {namespace}/{pod} carries the uid of a TrainingRun of another namespace")
    cursor.execute(_NEW, (run_uid, attempt, namespace, pod, pod_uid))
    cursor.execute(_ONE, (run_uid, pod_uid))
    row = cursor.fetchone()
    if row is None:
        raise NotFound(f"the log of pod {namespace}/{pod} went while it was opened")
    number, size, taken, head_bytes, head_sum, tail_lines, tail_sum, complete = row
    place = Place(taken, head_bytes, bytes(head_sum), tail_lines, bytes(tail_sum))
    return StoredLog(number, size, place, complete)


def append_log(cursor: Cursor, log_id: int, before: int, text: bytes, place: Place, budget: Budget) -> bool:
    """Adds `text`, and notes that the pod's log is taken up to `place`.

    False, and nothing is changed, when not exactly `before` bytes of the pod's own text had been taken: this text is
    stored already (an answer was lost), or somebody else writes.
    """
    cursor.execute(_LOCK, (log_id,))
    row = cursor.fetchone()
    if row is None or row[2] != before:
        return False
    run_uid, size, _ = row
    grown = _add(cursor, run_uid, log_id, size, text, budget)
    values = (grown, place.taken, place.head_bytes, place.head_sum, place.tail_lines, place.tail_sum, log_id)
    cursor.execute(_MOVE, values)
    _drop_the_middle(cursor, run_uid, budget)
    return True


def is_log_of(cursor: Cursor, log_id: int, pod_uid: str) -> bool:
    """Whether a log that was opened is still this pod's: a database that has lost some gives numbers a second time."""
    cursor.execute("SELECT 1 FROM record.log WHERE id = %s AND pod_uid = %s", (log_id, pod_uid))
    return cursor.fetchone() is not None


def complete_log(cursor: Cursor, log_id: int) -> None:
    """Nothing more will come."""
    cursor.execute("UPDATE record.log SET complete = true WHERE id = %s", (log_id,))


def select_incomplete(cursor: Cursor, pod_uids: Sequence[str]) -> list[str]:
    """Those of these pods whose log is not there as a whole."""
    cursor.execute(_INCOMPLETE, (list(pod_uids),))
    return [uid for (uid,) in cursor.fetchall()]


def _add(cursor: Cursor, run_uid: str, log_id: int, size: int, text: bytes, budget: Budget) -> int:
    """Fills the last chunk, then makes new ones; the log's size afterwards."""
    cursor.execute(_LAST, (log_id, size))
    last = cursor.fetchone()
    if last is not None and last[1] < budget.chunk:
        number, there, data = last
        room = budget.chunk - there
        whole = unpack(bytes(data), there) + text[:room]
        cursor.execute(_GROW, (len(whole), pack(whole), number))
        size, text = size + len(text[:room]), text[room:]
    head = _head_has_room(cursor, run_uid, budget) if text else False
    for begin in range(0, len(text), budget.chunk):
        piece = text[begin : begin + budget.chunk]
        cursor.execute(_CHUNK, (log_id, size, len(piece), head, pack(piece)))
        size += len(piece)
        head = head and _head_has_room(cursor, run_uid, budget)
    return size


def _head_has_room(cursor: Cursor, run_uid: str, budget: Budget) -> bool:
    """The head is the beginning of the run: once something is no part of it, nothing later is."""
    cursor.execute(_OF_RUN, (run_uid,))
    rows = cursor.fetchall()
    return all(head for *_, head in rows) and sum(size for _, _, _, size, _ in rows) + budget.chunk <= budget.head


def _drop_the_middle(cursor: Cursor, run_uid: str, budget: Budget) -> None:
    cursor.execute(_OF_RUN, (run_uid,))
    rows = cursor.fetchall()
    surplus = sum(size for _, _, _, size, _ in rows) - budget.kept
    dropped = []
    for number, log_id, first, size, head in rows:
        if surplus <= 0:
            break
        if not head:
            surplus -= size
            dropped.append(number)
            cursor.execute(_GAP, (first, first + size, log_id))
    if dropped:
        cursor.execute(_DROP, (dropped,))
