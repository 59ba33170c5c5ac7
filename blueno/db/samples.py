"""Pages, counts and single samples of a loaded version, by positions and ranks that were stored when it was loaded.

Called by webui/. How it works is told at the top of migrations/projection/0002_samples.sql. Every statement names the
version's own partition, so that thousands of versions cost nothing. Filters that a version does not know, or that no
database can hold, match nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from blueno.db.connect import Cursor
from blueno.db.facets import Facets, select_facets
from blueno.db.ranges import NO_LABEL, Filter, Ranges, select_ranges
from blueno.db.versions import VersionRow, select_version, select_versions

__all__ = (
    "NO_LABEL", "Facets", "Filter", "Page", "PageQuery", "SampleRow", "VersionRow", "select_facets", "select_page",
    "select_sample", "select_version", "select_versions",
)  # fmt: skip

MAX_LIMIT = 1000
_MAX_INT = 2**31 - 1
_SPLIT = "(SELECT name FROM projection.split s WHERE s.version_id = t.version_id AND s.split_id = t.split_id)"
_COLUMNS = """t.idx, t.row, t.key, {split},
(SELECT label FROM projection.label l WHERE l.version_id = t.version_id AND l.label_id = t.label_id),
t."group", t.bytes, t.width, t.height, t.depth, t.channels, t.dtype, t.format, encode(t.sha256, 'hex'), t.metadata"""


@dataclass(frozen=True)
class PageQuery:
    """The page from `position` on, or what follows idx `after`, or what precedes idx `before`; the first when none."""

    position: int | None = None
    after: int | None = None
    before: int | None = None
    limit: int = 100


@dataclass(frozen=True)
class SampleRow:
    """A sample. `idx` is its place in the version, `row` its row in index.arrow; width, height, depth in pixels."""

    idx: int
    row: int
    key: str
    split: str
    label: str | None  # canonical JSON
    group: str | None
    bytes: int
    width: int
    height: int
    depth: int
    channels: int
    dtype: str
    format: str
    sha256: str  # hexadecimal digits
    metadata: str | None  # canonical JSON


@dataclass(frozen=True)
class Page:
    """`total` samples match; `rows` are some of them in the order of idx, the first of them at `position`."""

    rows: list[SampleRow]
    total: int
    position: int


def select_page(cursor: Cursor, version: VersionRow, wanted: Filter, query: PageQuery) -> Page:
    """Samples that match, at most 1,000 of them. A position past the end gives no rows and that position."""
    edge = _edge(query)
    ranges = select_ranges(cursor, version, wanted, edge)
    limit = min(max(query.limit, 0), MAX_LIMIT)
    position = min(max(query.position or 0, 0), _MAX_INT)
    if edge is not None:
        position = ranges.rank_of_edge
    if query.before is not None and query.after is None:
        position, limit = max(0, position - limit), min(limit, position)
    found = _rows(cursor, version, ranges, position, limit) if limit else []
    return Page(found, ranges.total, position)


def select_sample(cursor: Cursor, version: VersionRow, row: int) -> SampleRow | None:
    """The sample of that row of index.arrow."""
    if not 0 <= row < version.samples:
        return None
    column = "idx" if version.in_order else "row"
    cursor.execute(f"SELECT {_COLUMNS.format(split=_SPLIT)} FROM {version.table} t WHERE {column} = %s", (row,))  # noqa: S608  # our names
    found = cursor.fetchone()
    return None if found is None else SampleRow(*found)


def _edge(query: PageQuery) -> int | None:
    """The first idx that belongs to "after" and no longer to "before"."""
    if query.after is not None:
        return min(max(query.after, -1), _MAX_INT - 1) + 1
    return None if query.before is None else min(max(query.before, 0), _MAX_INT)


def _rows(cursor: Cursor, version: VersionRow, ranges: Ranges, position: int, limit: int) -> list[SampleRow]:
    pieces = ranges.pieces(position, limit)
    if not pieces:
        return []
    values = {
        "version": version.id,
        "label": ranges.label_id,
        "lows": [piece.low for piece in pieces],
        "ranks": [piece.rank for piece in pieces],
        "counts": [piece.count for piece in pieces],
    }
    cursor.execute(_plain_page(version) if ranges.label_id is None else _labelled_page(version), values)
    names = {item.split_id: item.split for item in ranges.items}
    rows = ([*row[:3], names[row[3]], *row[4:]] for row in cursor.fetchall())
    return [SampleRow(*row) for row in rows]


def _plain_page(version: VersionRow) -> str:
    """Places are dense: a piece is a range of idx."""
    return f"""
SELECT {_COLUMNS.format(split="t.split_id")} FROM unnest(%(lows)s::integer[], %(counts)s::integer[]) AS p (low, count)
CROSS JOIN LATERAL (SELECT * FROM {version.table} WHERE idx >= p.low AND idx < p.low + p.count ORDER BY idx) t
ORDER BY t.idx"""  # noqa: S608  # our names


def _labelled_page(version: VersionRow) -> str:
    """From the mark before the rank that is wanted, `rank %% step` entries on; a comparison of rows leaves the planner
    no index but (label_id, idx)."""
    return f"""
SELECT {_COLUMNS.format(split="t.split_id")}
FROM unnest(%(lows)s::integer[], %(ranks)s::integer[], %(counts)s::integer[]) AS p (low, rank, count)
JOIN projection.label l ON l.version_id = %(version)s AND l.label_id = %(label)s
CROSS JOIN LATERAL (
    SELECT CASE WHEN p.rank IS NULL THEN p.low ELSE (
        SELECT a.idx FROM {version.table} a
        WHERE (a.label_id, a.idx) >= (%(label)s, l.marks[1 + p.rank / l.step])
        ORDER BY a.label_id, a.idx OFFSET p.rank %% l.step LIMIT 1
    ) END AS idx OFFSET 0
) start
CROSS JOIN LATERAL (
    SELECT * FROM {version.table} b WHERE (b.label_id, b.idx) >= (%(label)s, start.idx)
    ORDER BY b.label_id, b.idx LIMIT p.count
) t
ORDER BY t.idx"""  # noqa: S608  # our names
