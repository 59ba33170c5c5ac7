"""Filters of the gallery as ranges of idx, one per split, with the rank of their ends. Used by samples.py, facets.py.

A prefix is looked for from the key mark before it (at most 64 keys are read); a rank is the mark before an idx, and the
index entries between the two (at most `step`). See migrations/projection/0002_samples.sql.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from blueno.db.connect import Cursor
from blueno.db.text import storable
from blueno.db.versions import KEY_CHARACTERS, VersionRow

NO_LABEL = "null"
_LAST = 0x10FFFF
_LABEL = "SELECT label_id, samples, step, marks FROM projection.label WHERE version_id = %(version)s AND "
_BY_TEXT = "left(label, 256) = %(label_start)s AND label = %(label)s"  # as the index label_by_text has it
_LABEL_CHARACTERS = 256


@dataclass(frozen=True)
class Filter:
    """None and "" filter nothing. `label` is canonical JSON, or NO_LABEL for samples without one."""

    split: str | None = None
    label: str | None = None
    prefix: str = ""  # of the key, literally


@dataclass(frozen=True)
class Range:
    """What matches in a split lies at idx [low, high), and has the ranks [first, end) among samples of the label."""

    split_id: int
    split: str
    low: int
    high: int
    first: int
    end: int
    edge: int  # rank of the edge asked for, within [first, end]; 0 when none was

    @property
    def samples(self) -> int:
        """How many match."""
        return self.end - self.first


@dataclass(frozen=True)
class Piece:
    """`count` samples of a page, from idx `low` on, or from that rank of the label on."""

    low: int
    rank: int | None
    count: int


@dataclass(frozen=True)
class Ranges:
    """In the order of idx. `label_id` is None when every sample fits the label: then ranks are places."""

    items: tuple[Range, ...]
    label_id: int | None = None

    @property
    def total(self) -> int:
        """How many samples match."""
        return sum(item.samples for item in self.items)

    @property
    def rank_of_edge(self) -> int:
        """How many of them lie before the edge."""
        return sum(item.edge - item.first for item in self.items)

    def of_split(self, split: str | None) -> Ranges:
        """Those of one split, or all."""
        return self if split is None else Ranges(tuple(i for i in self.items if i.split == split), self.label_id)

    def pieces(self, position: int, limit: int) -> list[Piece]:
        """Where the samples [position, position + limit) of those that match are."""
        found: list[Piece] = []
        for item in self.items:
            if limit and position < item.samples:
                count = min(limit, item.samples - position)
                by_rank = self.label_id is not None and position > 0
                low = item.low if self.label_id is not None else item.low + position
                found.append(Piece(low, item.first + position if by_rank else None, count))
                limit -= count
            position = max(0, position - item.samples)
        return found


def select_ranges(cursor: Cursor, version: VersionRow, wanted: Filter, edge: int | None = None) -> Ranges:
    """One range per split (of the split filtered by, if any). No ranges when the filter cannot match."""
    if not storable(wanted.split or "", wanted.label or "", wanted.prefix):
        return Ranges(())
    values = _values(version, wanted, edge)
    cursor.execute(_statement(version, wanted, values), values)
    rows = cursor.fetchall()
    if wanted.label is None:
        return Ranges(tuple(Range(*row[:7]) for row in rows))
    if not rows or rows[0][7] is None:  # a label that the version does not have
        return Ranges(tuple(Range(row[0], row[1], row[2], row[3], 0, 0, 0) for row in rows))
    everything = rows[0][8] == version.samples
    return Ranges(tuple(Range(*row[:7]) for row in rows), None if everything else rows[0][7])


def rank_sql(version: VersionRow, idx: str) -> str:
    """SQL: how many samples of label `l` (a row of projection.label) lie before `idx`, a column.

    A comparison of rows as in samples.py would not end the scan at its upper end but at the end of the label (seen with
    PostgreSQL 16: 120 pages instead of 3).
    """
    return f"""
CASE WHEN l.samples = {int(version.samples)} THEN {idx} ELSE (
    SELECT m.rank + (
        SELECT count(*)::integer FROM {version.table} t
        WHERE t.label_id = l.label_id AND t.idx >= m.idx AND t.idx < {idx}
    )
    FROM (SELECT width_bucket({idx} - 1, l.marks) AS number OFFSET 0) w CROSS JOIN LATERAL (
        SELECT greatest(w.number - 1, 0) * l.step AS rank, l.marks[greatest(w.number, 1)] AS idx OFFSET 0
    ) m
) END"""  # noqa: S608  # our names


def _statement(version: VersionRow, wanted: Filter, values: dict[str, Any]) -> str:
    end = "(s.first + s.samples)"
    low = _place_sql(version, "prefix") if wanted.prefix else "s.first"
    high = _place_sql(version, "limit") if values["limit"] else end
    labelled = wanted.label is not None
    by_label = "label_id = 0" if wanted.label == NO_LABEL else _BY_TEXT
    ends = ("r.low", "r.high") if values["edge"] is None else ("r.low", "r.high", "r.edge")
    ranks = [rank_sql(version, idx) if labelled else idx for idx in ends] + ["0"] * (3 - len(ends))
    return f"""
{f"WITH l AS MATERIALIZED ({_LABEL}{by_label})" if labelled else ""}
SELECT s.split_id, s.name, r.low, r.high, {", ".join(ranks)}{", l.label_id, l.samples" if labelled else ""}
FROM projection.split s {"LEFT JOIN l ON true" if labelled else ""}
CROSS JOIN LATERAL (SELECT {low} AS low, {high} AS high OFFSET 0) f
CROSS JOIN LATERAL (SELECT f.low, f.high, greatest(f.low, least(f.high, %(edge)s)) AS edge OFFSET 0) r
WHERE s.version_id = %(version)s {"AND s.name = %(split)s" if wanted.split is not None else ""}
ORDER BY s.split_id"""  # noqa: S608  # our names


def _place_sql(version: VersionRow, name: str) -> str:
    """SQL: the idx of the first key of split `s` that is not less than a value."""
    return f"""
coalesce((
    SELECT t.idx FROM {version.table} t
    WHERE t.idx >= coalesce((
        SELECT k.idx FROM projection.key_mark k
        WHERE k.version_id = %(version)s AND k.split_id = s.split_id AND k.key < %({name}_start)s
        ORDER BY k.key DESC, k.idx DESC LIMIT 1
    ), s.first) AND t.idx < s.first + s.samples AND t.key >= %({name})s
    ORDER BY t.idx LIMIT 1
), s.first + s.samples)"""  # noqa: S608  # our names


def _values(version: VersionRow, wanted: Filter, edge: int | None) -> dict[str, Any]:
    limit = after_all(wanted.prefix)
    return {
        "version": version.id,
        "split": wanted.split,
        "label": wanted.label,
        "label_start": (wanted.label or "")[:_LABEL_CHARACTERS],
        "prefix": wanted.prefix,
        "prefix_start": wanted.prefix[:KEY_CHARACTERS],
        "limit": limit,
        "limit_start": limit[:KEY_CHARACTERS],
        "edge": edge,
    }


def after_all(prefix: str) -> str:
    """The least text, by bytes of UTF-8, that is greater than every text with this prefix; "" when there is none."""
    kept = prefix.rstrip(chr(_LAST))
    if not kept:
        return ""
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)  # surrogates are no characters
