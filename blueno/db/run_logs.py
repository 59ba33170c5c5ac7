"""Logs of a training run's pods, as they were stored. Called by webui/; written by run_logs_write.py.

Offsets count bytes of a pod's stored text from its first. What was dropped from the middle of a long one is its gap: a
reader steps over it.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from blueno.db.connect import Cursor
from blueno.db.text import storable

MAX_READ = 1 << 20  # bytes in one answer
CHUNK = 256 << 10  # bytes of text in a chunk at most

_PARTS = """
SELECT attempt, pod, bytes, complete, gap_from, gap_to FROM record.log
WHERE run_uid = %s::uuid ORDER BY attempt, begun_at, id
"""
_LOG = """
SELECT id, bytes, complete, coalesce(gap_from, bytes), coalesce(gap_to, bytes) FROM record.log
WHERE run_uid = %s::uuid AND attempt = %s AND pod = %s ORDER BY id DESC LIMIT 1
"""
_CHUNKS = """
SELECT first, bytes, data FROM record.log_chunk
WHERE log_id = %(log)s AND first > %(begin)s - %(chunk)s AND first < %(end)s ORDER BY first
"""


@dataclass(frozen=True)
class LogPart:
    """The log of one pod: `bytes` came in all, of which those from gap[0] to gap[1] (exclusive) were dropped."""

    attempt: int
    pod: str
    bytes: int
    complete: bool  # nothing more will come
    gap: tuple[int, int] | None


@dataclass(frozen=True)
class LogText:
    """A piece: `text` are the bytes from `first` to `next`, which is where to go on; bytes that are no UTF-8 show as
    U+FFFD. `complete`: `next` is the end, and nothing more will come."""

    text: str
    first: int
    next: int
    complete: bool


def select_log_parts(cursor: Cursor, run_uid: str) -> list[LogPart]:
    """By attempt, then in the order in which the pods began to write."""
    cursor.execute(_PARTS, (run_uid,))
    return [
        LogPart(attempt, pod, size, complete, None if begin is None else (begin, end))
        for attempt, pod, size, complete, begin, end in cursor.fetchall()
    ]


def read_log(cursor: Cursor, run_uid: str, attempt: int, pod: str, after: int, limit: int) -> LogText:
    """At most `limit` bytes (4 to 1 MiB) from offset `after` on; from the gap's end when `after` lies in the gap.

    An answer ends at the gap. A negative `after` counts from the end: -65536 gives the newest 64 KiB. A pod that
    nothing is known of gives an empty, incomplete text.
    """
    if not storable(pod) or not 0 <= attempt < 2**31:
        return LogText("", 0, 0, complete=False)
    cursor.execute(_LOG, (run_uid, attempt, pod))
    row = cursor.fetchone()
    if row is None:
        return LogText("", 0, 0, complete=False)
    log_id, size, complete, gap_from, gap_to = row
    begin = max(0, size + after) if after < 0 else min(after, size)
    if gap_from <= begin < gap_to:
        begin = gap_to
    end = min(begin + min(max(limit, 4), MAX_READ), gap_from if begin < gap_from else size)
    raw = _read(cursor, log_id, begin, end)
    if begin + len(raw) < size:  # more follows: do not cut a character in two
        raw = raw[: len(raw) - _unfinished(raw)] or raw
    there = begin + len(raw)
    return LogText(raw.decode(errors="replace"), begin, there, complete and there >= size)


def _read(cursor: Cursor, log_id: int, begin: int, end: int) -> bytes:
    """What is there from `begin` on without a hole: the writer may have dropped something a moment ago."""
    cursor.execute(_CHUNKS, {"log": log_id, "begin": begin, "end": end, "chunk": CHUNK})
    pieces, position = [], begin
    for first, size, data in cursor.fetchall():
        if not first <= position < first + size:
            continue
        pieces.append(unpack(bytes(data), size)[position - first : end - first])
        position += len(pieces[-1])
    return b"".join(pieces)


def _unfinished(raw: bytes) -> int:
    """How many bytes at the end begin a character of UTF-8 that goes on after them: 0 to 3."""
    for back in range(1, min(4, len(raw) + 1)):
        byte = raw[-back]
        if byte >= 0xC0:
            needs = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if needs > back else 0
        if byte < 0x80:
            return 0
    return 0


def pack(text: bytes) -> bytes:
    """zstd."""
    return bytes(pa.Codec("zstd").compress(text, asbytes=True))


def unpack(data: bytes, size: int) -> bytes:
    """What `pack` made of `size` bytes."""
    return bytes(pa.Codec("zstd").decompress(data, size, asbytes=True))
