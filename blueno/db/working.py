"""Working sets as webui/ shows them: what is there, pages in the order of keys, counts. Written by working_write.py.

A filter, whichever, is a range of the index `place` and a look at what that index includes, so that even one that fits
nothing reads a million entries and no rows; counts without a prefix were stored. A table may be made anew between two
statements of a reader: then the answer is SchemaMissing, and asking again is right.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from blueno.db.connect import Cursor
from blueno.db.ranges import NO_LABEL, after_all
from blueno.db.text import storable
from blueno.db.working_lines import KEY_CHARACTERS, etag, label_sum
from blueno.db.working_write import table_of

MAX_LIMIT = 1000
LABELS = 200  # told at once
SPLITS = 200
_MAX_INT = 2**62

# What was written and taken back is sealed as the version that was there: its manifest tells a lower revision than the
# Dataset's status does, which for its part says nothing of a version until the operator has heard of it.
_SET = """
SELECT s.number, coalesce(s.revision, 0), coalesce(s.samples, 0), coalesce(s.bytes, 0),
    greatest((SELECT coalesce(max(v.working), 0) FROM projection.version v WHERE v.dataset_uid = d.uid),
        (SELECT CASE WHEN jsonb_typeof(told) = 'number' THEN least(told::numeric, 9e18)::bigint END FROM (
            SELECT document #> '{status,version,workingRevision}' FROM projection.dataset WHERE uid = d.uid
        ) AS status (told))),
    d.uid::text
FROM (SELECT %s::uuid AS uid) d LEFT JOIN projection.working_set s ON s.dataset_uid = d.uid
"""
_STORED = "SELECT split, label_sum, label, samples FROM projection.working_count WHERE dataset_uid = %(uid)s::uuid"
_COUNTED = """
SELECT k.split, k.label_sum, k.label, g.samples FROM (
    SELECT coalesce(split, '') AS split, label_sum, count(*) AS samples FROM {table} t WHERE {where} GROUP BY 1, 2
) g JOIN projection.working_count k
    ON k.dataset_uid = %(uid)s::uuid AND k.split = g.split AND k.label_sum = g.label_sum
"""
_FACETS = f"""
WITH c AS MATERIALIZED ({{source}}),
labels AS (
    SELECT min(label) AS label, sum(samples) AS samples FROM c
    WHERE (%(split)s::text IS NULL OR split = %(split)s)
        AND (%(text)s = '' OR position(lower(%(text)s) IN lower(label)) > 0)
    GROUP BY label_sum ORDER BY 2 DESC, 1 LIMIT {LABELS + 1}
),
splits AS (
    SELECT split, sum(samples) AS samples FROM c
    WHERE %(label)s::bigint IS NULL OR label_sum = %(label)s GROUP BY split ORDER BY 2 DESC, 1 LIMIT {SPLITS}
)
SELECT 'label', '', label, samples FROM labels UNION ALL SELECT 'split', split, NULL, samples FROM splits UNION ALL
SELECT 'total', '', NULL, coalesce(sum(samples), 0) FROM c
WHERE (%(label)s::bigint IS NULL OR label_sum = %(label)s) AND (%(split)s::text IS NULL OR split = %(split)s)
"""  # noqa: S608  # our constants
_ROW = """t.seq, t.key || coalesce(t.rest, ''), t.split, t.label, t."group", t.bytes, encode(t.sha256, 'hex'),
t.metadata, t.at, t.by, t.key, t.tail"""


@dataclass(frozen=True)
class WorkingSet:
    """What is known of a data set's working set. `sealed`: the revision that its newest version holds; 0: none does."""

    number: int | None
    revision: int
    samples: int
    bytes: int
    sealed: int
    dataset_uid: str


@dataclass(frozen=True)
class WorkingFilter:
    """None and "" filter nothing. `after`: only what was written after that revision."""

    split: str | None = None
    label: str | None = None  # canonical JSON, or NO_LABEL
    prefix: str = ""
    after: int = 0


@dataclass(frozen=True)
class WorkingRow:
    """A sample as it is now; `place` is for the cursor."""

    seq: int
    key: str
    split: str | None
    label: str | None  # canonical JSON
    group: str | None
    bytes: int
    sha256: str  # hexadecimal digits
    metadata: str | None  # canonical JSON
    at: datetime
    by: str
    place: tuple[str, int]

    @property
    def etag(self) -> str:
        """Says which state of the sample this is."""
        return etag(self.sha256, self.split, self.label, self.group, self.metadata)


@dataclass(frozen=True)
class WorkingFacets:
    """As blueno/db/facets.py: `splits` under the label, `labels` under the split, biggest first."""

    total: int
    splits: list[tuple[str, int]]  # "" for samples without one
    labels: list[tuple[str | None, int]]
    more_labels: bool


def select_working_set(cursor: Cursor, dataset_uid: str) -> WorkingSet:
    """Empty when nothing was ever read."""
    cursor.execute(_SET, (dataset_uid,))
    row = cursor.fetchone()
    assert row is not None  # noqa: S101  # one row by its form
    return WorkingSet(*row)


def count_not_sealed(cursor: Cursor, of: WorkingSet) -> int:
    """How many samples were written since the newest version was sealed."""
    return _total(cursor, of, WorkingFilter(after=of.sealed))


def select_working_page(
    cursor: Cursor, of: WorkingSet, wanted: WorkingFilter, place: tuple[str, int] | int, limit: int
) -> tuple[list[WorkingRow], int]:
    """Samples that follow a place, or from a position on; and how many match in all."""
    total = _total(cursor, of, wanted)
    if not total:
        return [], 0
    where, values = _where(wanted)
    offset = ""
    if isinstance(place, int):
        offset = f"OFFSET {min(max(place, 0), _MAX_INT)}"
    else:
        where += " AND (key, tail) > (%(key)s, %(tail)s)"
        values |= {"key": place[0], "tail": place[1]}
    table = table_of(of.number or 0)
    cursor.execute(
        f"""
SELECT {_ROW} FROM (
    SELECT key, tail FROM {table} WHERE {where} ORDER BY key, tail {offset} LIMIT {min(max(limit, 0), MAX_LIMIT)}
) p JOIN {table} t ON t.key = p.key AND t.tail = p.tail ORDER BY t.key, t.tail""",  # noqa: S608  # our names
        values,
    )
    return [_row(*row) for row in cursor.fetchall()], total


def select_working_row(cursor: Cursor, of: WorkingSet, seq: int) -> WorkingRow | None:
    """The sample that this line of the journal wrote, unless it was written again or removed since."""
    if of.number is None or not 0 <= seq <= _MAX_INT:
        return None
    cursor.execute(f"SELECT {_ROW} FROM {table_of(of.number)} t WHERE t.seq = %s LIMIT 1", (seq,))  # noqa: S608  # ours
    row = cursor.fetchone()
    return None if row is None else _row(*row)


def select_working_facets(cursor: Cursor, of: WorkingSet, wanted: WorkingFilter, label_text: str = "") -> WorkingFacets:
    """Exact counts. `label_text` is looked for in the labels, literally, in any case."""
    if of.number is None or not _fits(wanted) or not storable(label_text):
        return WorkingFacets(0, [], [], False)
    source, values = _counts(of, wanted)
    values |= {
        "split": wanted.split,
        "label": None if wanted.label is None else _sum_of(wanted.label),
        "text": json.dumps(label_text, ensure_ascii=False)[1:-1],  # as it stands in the labels' JSON
    }
    cursor.execute(_FACETS.format(source=source), values)
    rows = cursor.fetchall()
    total = sum(count for what, *_, count in rows if what == "total")
    splits = sorted((split, int(count)) for what, split, _, count in rows if what == "split")
    labels = [(label, int(count)) for what, _, label, count in rows if what == "label"]
    labels.sort(key=lambda one: (-one[1], one[0] or ""))
    more, labels = len(labels) > LABELS, labels[:LABELS]
    own = None if wanted.label == NO_LABEL else wanted.label
    if wanted.label is not None and total and own not in dict(labels):
        labels.append((own, int(total)))
    return WorkingFacets(int(total), splits, labels, more)


def _row(*values: Any) -> WorkingRow:
    fields = ("seq", "key", "split", "label", "group", "bytes", "sha256", "metadata", "at", "by")
    return WorkingRow(**dict(zip(fields, values, strict=False)), place=(values[10], values[11]))


def _total(cursor: Cursor, of: WorkingSet, wanted: WorkingFilter) -> int:
    if of.number is None or not _fits(wanted):
        return 0
    if wanted == WorkingFilter():
        return of.samples
    if wanted.prefix or wanted.after:
        where, values = _where(wanted)
        cursor.execute(f"SELECT count(*) FROM {table_of(of.number)} t WHERE {where}", values)  # noqa: S608  # our names
    else:
        label = None if wanted.label is None else _sum_of(wanted.label)
        cursor.execute(
            "SELECT coalesce(sum(samples), 0)::bigint FROM projection.working_count WHERE dataset_uid = %s::uuid"
            " AND (%s::text IS NULL OR split = %s) AND (%s::bigint IS NULL OR label_sum = %s)",
            (of.dataset_uid, wanted.split, wanted.split, label, label),
        )
    (count,) = cursor.fetchone() or (0,)
    return int(count)


def _counts(of: WorkingSet, wanted: WorkingFilter) -> tuple[str, dict[str, Any]]:
    """SQL of (split, label_sum, label, samples) under prefix and revision."""
    values: dict[str, Any] = {"uid": of.dataset_uid}
    if not wanted.prefix and not wanted.after:
        return _STORED, values
    where, more = _where(WorkingFilter(prefix=wanted.prefix, after=wanted.after))
    return _COUNTED.format(table=table_of(of.number or 0), where=where), values | more


def _where(wanted: WorkingFilter) -> tuple[str, dict[str, Any]]:
    """A condition on columns of the index, but for prefixes that are longer than what it holds of a key."""
    parts, values = ["true"], dict[str, Any]()
    if wanted.prefix:
        start = wanted.prefix[:KEY_CHARACTERS]
        parts.append("key >= %(start)s")
        values["start"] = start
        if len(wanted.prefix) > KEY_CHARACTERS:
            parts.append("key = %(start)s AND starts_with(coalesce(rest, ''), %(rest)s)")
            values["rest"] = wanted.prefix[KEY_CHARACTERS:]
        elif limit := after_all(start):
            parts.append("key < %(limit)s")
            values["limit"] = limit
    if wanted.split is not None:
        parts.append("split = %(split)s")
        values["split"] = wanted.split
    if wanted.label is not None:
        parts.append("label_sum = %(label)s")
        values["label"] = _sum_of(wanted.label)
    if wanted.after:
        parts.append("seq > %(after)s")
        values["after"] = wanted.after
    return " AND ".join(parts), values


def _sum_of(label: str) -> int:
    return label_sum(None if label == NO_LABEL else label)


def _fits(wanted: WorkingFilter) -> bool:
    return storable(wanted.split or "", wanted.label or "", wanted.prefix)
