"""Splits and labels with their counts under the other filters. Called by webui/ through samples.py.

Without a prefix the counts were stored. With one, few rows are read and counted; many are counted by ranks, label by
label, for the thousand most frequent labels (of a version with more, rarer ones are found by their text).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from blueno.db.connect import Cursor
from blueno.db.ranges import NO_LABEL, Filter, Ranges, rank_sql, select_ranges
from blueno.db.text import storable
from blueno.db.versions import VersionRow

LABELS = 200  # told at once
CANDIDATES = 1000
READ_ROWS = 20_000  # some 4 ms

_TEXT = "position(lower(%(text)s) IN lower(l.label)) > 0"
_STORED = """
SELECT l.label_id, l.label, l.samples, l.step, l.marks, l.samples AS told FROM projection.label l
WHERE l.version_id = %(version)s {text} ORDER BY l.samples DESC, l.label_id LIMIT %(limit)s"""
_STORED_IN_SPLIT = """
SELECT l.label_id, l.label, l.samples, l.step, l.marks, f.samples AS told FROM projection.facet f
JOIN projection.label l ON l.version_id = f.version_id AND l.label_id = f.label_id
WHERE f.version_id = %(version)s AND f.split_id = %(split)s {text}
ORDER BY f.samples DESC, f.label_id LIMIT %(limit)s"""


@dataclass(frozen=True)
class Facets:
    """`total` under all filters, `splits` under label and prefix, `labels`, biggest first, under split and prefix."""

    total: int
    splits: list[tuple[str, int]]
    labels: list[tuple[str | None, int]]  # (canonical JSON or None, samples); at most 200 and the one filtered by
    more_labels: bool


def select_facets(cursor: Cursor, version: VersionRow, wanted: Filter, label_text: str = "") -> Facets:
    """Exact counts. `label_text` is looked for in the labels, literally, in any case."""
    ranges = select_ranges(cursor, version, replace(wanted, split=None))
    chosen = ranges.of_split(wanted.split)
    labels = _labels(cursor, version, wanted, label_text, chosen) if chosen.items and storable(label_text) else []
    more, labels = len(labels) > LABELS, labels[:LABELS]
    own = None if wanted.label == NO_LABEL else wanted.label
    if wanted.label is not None and chosen.total and own not in dict(labels):
        labels.append((own, chosen.total))
    return Facets(chosen.total, [(item.split, item.samples) for item in ranges.items], labels, more)


def _labels(
    cursor: Cursor, version: VersionRow, wanted: Filter, label_text: str, chosen: Ranges
) -> list[tuple[str | None, int]]:
    """One more than are told, when there are more."""
    values = {
        "version": version.id,
        "split": chosen.items[0].split_id,
        "text": json.dumps(label_text, ensure_ascii=False)[1:-1],  # as it stands in the labels' JSON
        "lows": [item.low for item in chosen.items],
        "highs": [item.high for item in chosen.items],
        "limit": LABELS + 1,
    }
    text = f"AND {_TEXT}" if label_text else ""
    stored = (_STORED if wanted.split is None else _STORED_IN_SPLIT).format(text=text)
    if not wanted.prefix:
        return _fetch(cursor, f"SELECT s.label, s.told FROM ({stored}) s", values)  # noqa: S608  # our names
    if sum(item.high - item.low for item in chosen.items) <= READ_ROWS:
        return _fetch(cursor, _by_reading(version, text), values)
    return _fetch(cursor, _by_rank(version, stored.replace("%(limit)s", str(CANDIDATES))), values)


def _by_reading(version: VersionRow, text: str) -> str:
    return f"""
SELECT l.label, c.samples FROM (
    SELECT t.label_id, count(*)::integer AS samples
    FROM unnest(%(lows)s::integer[], %(highs)s::integer[]) AS p (low, high)
    CROSS JOIN LATERAL (SELECT label_id FROM {version.table} WHERE idx >= p.low AND idx < p.high) t
    GROUP BY t.label_id
) c JOIN projection.label l ON l.version_id = %(version)s AND l.label_id = c.label_id {text}
ORDER BY c.samples DESC, c.label_id LIMIT %(limit)s"""  # noqa: S608  # our names


def _by_rank(version: VersionRow, candidates: str) -> str:
    return f"""
SELECT c.label, c.samples FROM (
    SELECT l.label_id, l.label, sum({rank_sql(version, "p.high")} - {rank_sql(version, "p.low")})::integer AS samples
    FROM ({candidates}) l
    CROSS JOIN unnest(%(lows)s::integer[], %(highs)s::integer[]) AS p (low, high)
    GROUP BY l.label_id, l.label OFFSET 0
) c WHERE c.samples > 0 ORDER BY c.samples DESC, c.label_id LIMIT %(limit)s"""  # noqa: S608  # our names


def _fetch(cursor: Cursor, statement: str, values: dict[str, Any]) -> list[tuple[str | None, int]]:
    cursor.execute(statement, values)
    return [(label, samples) for label, samples in cursor.fetchall()]
